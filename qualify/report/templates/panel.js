// SPDX-License-Identifier: Apache-2.0
// The drill-down: one pair, its formats byte by byte, its scenarios (cells.js).
"use strict";
const Panel = (() => {
  const panel = document.getElementById("panel");
  const WORDS = {"false-accept": "false accept", "over-strict-refusal": "over-strict refusal", "true-refusal": "true refusal", "no-reader": "no reader"};

  const {chip, advice, fact} = Cells;
  const layout = (pair, f) => f.layout.length
    ? el("details", {open: f.reached}, el("summary", {}, "Byte by byte"), ...Bytes.show(f.layout, [pair.source, pair.target]))
    : null;
  const format = (pair) => (f) => el("div", {class: `part ${f.finding}`},
    el("h4", {}, f.reached && f.verdicts.length ? chip(f.verdicts[0]) : "", " ", el("span", {class: "component"}, f.component), ` ${WORDS[f.finding] || f.finding}: `,
      el("code", {}, f.writes || "nothing"), " → ", el("code", {}, f.reads.join(", ") || "nothing")),
    f.reached ? el("p", {}, el("b", {}, "What the receiver does: "), f.happens) : null,
    f.differences.length ? el("ul", {class: "diff"}, ...f.differences.map((d) => el("li", {}, d))) : null,
    ...(f.reached ? advice(f.advice) : []),
    layout(pair, f));
  const formats = (pair) => {
    const reached = pair.findings.filter((f) => f.reached), behind = pair.findings.filter((f) => !f.reached);
    const hidden = behind.length === 1 ? "1 more format differs, and is never read" : `${behind.length} more formats differ, and are never read`;
    return [
      ...reached.map(format(pair)),
      behind.length ? el("details", {class: "behind"}, el("summary", {}, `${hidden}: the target refuses what leads there`), ...behind.map(format(pair))) : "",
      pair.findings.length ? "" : el("p", {class: "soft"}, "None: strings and bytes agree for every component."),
    ];
  };

  const open = (pair, scenario) => {
    const all = pair.cells(), cells = pair.chiefs(all);
    const base = cells.find((c) => c.scenario === "baseline");
    const stale = all.filter((c) => c.stale && c.planned).length;
    const broken = all.filter((c) => Q.failed(c.state));
    const sorted = [...cells].sort((a, b) => (b === base) - (a === base) || Q.worstFirst(a, b));
    const usual = cells.some((c) => c.usual) ? cells.filter((c) => c.usual) : cells;
    const deepest = [...usual].sort(Q.worstFirst)[0];
    const added = usual.filter((c) => !c.itself && Q.severity(c.state) > Q.severity("RESTORED")).sort(Q.worstFirst)[0];
    const left = cells.filter((c) => !c.usual).sort(Q.worstFirst)[0];
    const oldest = Math.min(...cells.map((c) => c.created).filter(Boolean));
    const title = el("h2", {id: "panel-title", tabindex: "-1"}, el("span", {class: "rel"}, pair.source), " → ",
      el("span", {class: "rel"}, pair.target), " ", el("small", {}, pair.direction));
    const close = el("button", {type: "button", "aria-label": "Close the details"}, "Close", el("kbd", {}, "Esc"));
    close.addEventListener("click", () => Panel.close());
    const columns = Cells.columns(all);
    const parts = sorted.map((c, n) => Cells.rows(pair, c, all.filter((other) => other !== c && other.scenario === c.scenario), columns, `cell-${n}`));
    const verdict = (label, c) => c ? fact(label, chip(c.state, c.itself && c !== base), c === base ? "" : ` ${c.scenario}`) : "";
    panel.replaceChildren(
      el("div", {class: "bar"}, title, close),
      el("p", {class: "summary"}, verdict("baseline", base),
        added && added !== deepest ? verdict("worst of the update", added) : "",
        verdict(`worst of ${new Set(usual.map((c) => c.scenario)).size} usual scenarios`, deepest),
        usual === cells ? "" : verdict("worst of those left out", left),
        fact("consequences", [...new Set(cells.flatMap((c) => c.consequences))].join(", ") || "none"),
        Number.isFinite(oldest) ? fact("oldest evidence", Q.date(oldest)) : ""),
      ...(stale ? [el("p", {class: "box warn"}, `${stale} ${stale === 1 ? "result was" : "results were"} ${Q.stale}.`)] : []),
      el("h3", {}, "Formats that do not fit"),
      ...formats(pair),
      el("h3", {}, `Scenarios (${new Set(cells.map((c) => c.scenario)).size})`),
      broken.length ? el("p", {class: "box warn"}, `${broken.length} ${broken.length === 1 ? "cell" : "cells"} without a verdict (ERROR, TIMEOUT): nothing is known from them about these kernels.`) : "",
      el("table", {class: columns.length ? "cells beside" : "cells"}, headRow(...Cells.heads(pair, columns)),
        el("tbody", {}, ...parts.flatMap((p) => p.rows))));
    panel.hidden = false;
    document.body.classList.add("paneled");
    panel.scrollTop = 0;
    const wanted = parts.find((p) => p.scenario === scenario) || (parts.length === 1 ? parts[0] : null);
    if (wanted) {
      wanted.toggle(true);
      wanted.button.scrollIntoView({block: "center"});
      wanted.button.focus({preventScroll: true});
    } else title.focus({preventScroll: true});
    return !scenario || !!wanted;
  };

  const fragment = (pair, scenario) =>
    `#${encodeURIComponent(pair.source)}→${encodeURIComponent(pair.target)}` + (scenario ? `/${encodeURIComponent(scenario)}` : "");
  return {open, fragment, close: () => {}, element: panel};
})();
