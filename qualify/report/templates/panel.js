// SPDX-License-Identifier: Apache-2.0
// The drill-down: one pair, its formats byte by byte, its scenarios; a scenario opens into prediction, reasons, objects and log.
"use strict";
const Panel = (() => {
  const SHOWN = 40;  // ids of equal objects before "and N more"
  const panel = document.getElementById("panel");
  const WORDS = {"false-accept": "false accept", "over-strict-refusal": "over-strict refusal", "true-refusal": "true refusal", "no-reader": "no reader"};

  const chip = (state, itself = false) => state
    ? el("span", {class: `tally v-${state}${itself ? " hollow" : ""}`, title: Q.states[state][1]}, `${Q.states[state][0]} ${state}`,
      itself ? el("span", {title: "same as itself"}, " =") : "")
    : el("span", {class: "soft"}, "none");
  const marks = (words) => words.map((w) => el("span", {class: "soft", title: Q.marks[w][1]}, ` ${w}`));
  const fact = (label, ...value) => el("span", {}, el("span", {class: "soft"}, `${label} `), ...value);

  const advice = (list) => list.map((a) => el("p", {}, el("b", {}, "What to do: "), a.what, a.rule ? " " : "", a.rule ? el("code", {}, a.rule) : ""));
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

  const propertyTable = (list) => el("table", {class: "props"}, headRow("property", "expected", "observed", ""),
    el("tbody", {}, ...list.map((p) => el("tr", {class: p.state},
      el("th", {scope: "row"}, p.name), el("td", {}, p.expected || "–"), el("td", {}, p.observed || "–"),
      el("td", {}, p.state === "different" ? (p.critical ? "✗ different: contents" : "≈ different") : p.state)))));

  const idList = (ids) => {
    const line = el("span", {class: "ids"}, el("code", {}, ids.slice(0, SHOWN).join(", ")));
    if (ids.length > SHOWN) {
      const more = el("button", {type: "button"}, `and ${ids.length - SHOWN} more`);
      more.addEventListener("click", () => more.replaceWith(", ", el("code", {}, ids.slice(SHOWN).join(", "))));
      line.append(" ", more);
    }
    return line;
  };

  const objectBox = (o) => el("div", {class: "object"},
    el("p", {}, chip(o.verdict), " ", el("b", {}, o.component), o.ids.length > 1 ? ` × ${o.ids.length} ` : " ", idList(o.ids)),
    el("p", {}, o.why, ...marks(o.consequences)),
    el("p", {class: "soft"}, `asked: ${o.interface} · answer: ${o.reply}${o.errno ? ` (${o.errno})` : ""}`,
      o.predicted.length ? ` · predicted: ${o.predicted.join(" or ")}` : ""),
    o.properties.length ? propertyTable(o.properties) : null,
    ...o.notes.map((n) => el("p", {class: "soft"}, n)));

  // Every rule once, with all that it has to say and its advice below.
  const ruled = (reasons) => [...new Set(reasons.map((r) => r.rule))].map((rule) => {
    const mine = reasons.filter((r) => r.rule === rule), what = [...new Set(mine.map((r) => r.advice))].filter(Boolean);
    return el("div", {class: "reason"}, ...mine.map((r) => el("p", {}, el("code", {}, rule), ` ${r.component}: ${r.message}`)),
      ...advice(what.map((text) => ({what: text}))));
  });

  const detail = (pair, c) => {
    const about = Q.scenarios.get(c.scenario);
    const objects = c.objects().sort((a, b) => Q.severity(b.verdict) - Q.severity(a.verdict));
    return [
      el("p", {}, el("b", {}, about.title), about.purpose ? ` – ${about.purpose}` : ""),
      el("p", {class: "soft"}, `${c.evidence || "no evidence"} by ${c.backend}${c.created ? `, ${Q.date(c.created)} ${Q.ago(c.created) && `(${Q.ago(c.created)})`}` : ""}`,
        c.shared ? " · shares the run of an equal cell" : "", about.usual ? "" : " · left out of the worst of the square"),
      c.itself && Q.severity(c.state) > Q.severity("RESTORED") ? el("p", {}, el("b", {}, "= Same as itself: "), `${pair.source} → ${pair.source} ends in ${c.same}, too.`) : null,
      c.detail ? el("pre", {}, c.detail) : null,
      el("h4", {}, "Prediction"),
      c.predicted.length
        ? el("ul", {class: "diff"}, ...c.predicted.map((a) => el("li", {}, chip(a.verdict),
          a.condition ? ` if ${a.condition}` : "", ...marks(a.consequences))))
        : el("p", {class: "soft"}, "None stored."),
      c.agrees === false ? el("p", {class: "dis"}, "≠ The observation is not in this set: schema or backend is wrong.") : null,
      ...ruled(c.reasons),
      el("h4", {}, "Objects"),
      ...(objects.length ? objects.map(objectBox) : [el("p", {class: "soft"}, "None observed.")]),
      c.log.length ? el("h4", {}, "Log of the target") : null,
      c.log.length ? el("pre", {}, c.log.join("\n")) : null,
    ].filter((node) => node !== null);
  };

  const HEADS = ["scenario", "verdict", "source → itself", "predicted", "evidence"];
  const cellRows = (pair, c, id) => {
    const button = el("button", {type: "button", "aria-expanded": "false", "aria-controls": id}, c.scenario);
    const body = el("tr", {class: "detail", id, hidden: true}, el("td", {colspan: HEADS.length}));
    const toggle = (open) => {
      if (open && !body.firstChild.hasChildNodes()) body.firstChild.append(...detail(pair, c));
      body.hidden = !open;
      button.setAttribute("aria-expanded", String(open));
    };
    button.addEventListener("click", () => {
      toggle(body.hidden);
      history.replaceState(null, "", Panel.fragment(pair, body.hidden ? "" : c.scenario));
    });
    const field = (n, ...content) => el("td", {"data-head": HEADS[n]}, ...content);
    const line = el("tr", {},
      el("th", {scope: "row"}, button, c.usual ? "" : el("span", {class: "soft", title: "left out of the worst of the square"}, " (left out)")),
      field(1, chip(c.state, c.itself && pair.direction !== "same" && Q.severity(c.state) > Q.severity("RESTORED")), c.unstable ? " ~ UNSTABLE" : "", ...marks(c.consequences)),
      field(2, c.same ? el("span", {class: c.same === c.state ? "soft" : ""}, `${Q.states[c.same][0]} ${c.same}`) : "–"),
      field(3, [...new Set(c.predicted.map((a) => a.verdict))].join(" or ") || "–",
        c.agrees === false ? el("span", {class: "dis"}, " ≠") : ""),
      el("td", {"data-head": HEADS[4], title: `${Q.date(c.created)} ${Q.ago(c.created)} · ${c.backend}`}, `${c.evidence || "none"}${c.created ? ` · ${Q.date(c.created).slice(0, 10)}` : ""}`,
        c.stale ? el("b", {title: Q.stale}, " · stale") : ""));
    return {rows: [line, body], toggle, button, scenario: c.scenario};
  };

  const open = (pair, scenario) => {
    const cells = pair.cells();
    const base = cells.find((c) => c.scenario === "baseline");
    const stale = cells.filter((c) => c.stale).length;
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
    const parts = sorted.map((c, n) => cellRows(pair, c, `cell-${n}`));
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
      el("table", {class: "cells"}, headRow(HEADS[0], HEADS[1], `${pair.source} → itself`, HEADS[3], HEADS[4]),
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
