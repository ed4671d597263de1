// SPDX-License-Identifier: Apache-2.0
// What cells left behind: files with their sizes. Texts open in a window of the page; they were packed and made harmless when it was made.
"use strict";
const Files = (() => {
  const dialog = document.getElementById("file");
  const size = (n) => n < 1024 ? `${n} B` : n < 1048576 ? `${(n / 1024).toFixed(0)} KiB` : `${(n / 1048576).toFixed(1)} MiB`;
  const command = (f) => `qualify db artefact ${f.sha.slice(0, 16)} --output ${f.name.replace(/^.*\//, "").replace(/[^\w.-]/g, "_")}`;

  const unpacked = async (packed) => {
    const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
  };

  const where = (f) => el("p", {class: "soft"}, f.path ? "In the artefact store: " : "", f.path ? el("code", {}, f.path) : "", f.path ? ". To get it: " : "To get it: ", el("code", {}, command(f)));
  const open = async (f) => {
    if (!f) return;
    const close = el("button", {type: "button"}, "Close", el("kbd", {}, "Esc"));
    const end = el("button", {type: "button"}, "To the end");
    const pre = el("pre", {tabindex: "0"}, "…");
    close.addEventListener("click", () => dialog.close());
    end.addEventListener("click", () => { pre.scrollTop = pre.scrollHeight; });
    dialog.replaceChildren(
      el("div", {class: "bar"}, el("h2", {id: "file-name"}, f.name, " ", el("small", {}, size(f.size))), f.packed ? end : "", close),
      f.leftOut ? el("p", {class: "box warn"}, `${size(f.leftOut)} from its middle are left out here.`) : "",
      f.packed ? pre : el("p", {class: "box warn"}, `Its text is not in this page: ${f.why || "it is not text"}.`),
      where(f));
    if (!dialog.open) dialog.showModal();
    if (f.packed) {
      try {
        pre.textContent = await unpacked(f.packed);
      } catch (error) {
        pre.textContent = `This browser cannot unpack it (${error.message}); the command below gets the file.`;
      }
      pre.focus();
    }
  };

  const opener = (f, label) => {
    const button = el("button", {type: "button", class: "log", title: f.name}, label);
    button.addEventListener("click", (event) => {
      event.stopPropagation();
      open(f);
    });
    return button;
  };
  // As serial_log() in qualify/report/cells.py.
  const log = (files) => {
    const logs = files.filter((f) => f.name.endsWith(".log"));
    return logs.find((f) => f.name.split("/").pop() === "serial.log") || logs[0];
  };
  const logButton = (files) => (log(files) ? opener(log(files), "log") : "");

  const item = (f) => el("li", {}, f.packed || f.why ? opener(f, f.name) : el("span", {}, f.name), " ",
    el("span", {class: "soft"}, size(f.size), f.leftOut ? `, ${size(f.leftOut)} of it left out` : "", f.packed ? "" : f.why ? `, not in this page: ${f.why}` : "", " "),
    f.packed ? "" : el("code", {class: "soft", title: f.path}, command(f)));
  const list = (files) => files.length ? [el("h4", {}, `Files (${files.length})`), el("ul", {class: "files"}, ...files.map(item))] : [];

  return {open, list, logButton, isOpen: () => dialog.open};
})();
