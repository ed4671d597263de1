# SPDX-License-Identifier: Apache-2.0
"""`python -m qualify`."""

from qualify.cli.main import main

main()
