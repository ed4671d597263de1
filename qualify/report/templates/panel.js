// SPDX-License-Identifier: Apache-2.0
// The drill-down: one pair, its formats, its scenarios; a scenario opens into prediction, reasons, objects and log.
"use strict";
const Panel = (() => {
  const SHOWN = 40;  // ids of equal objects before "and N more"
  const panel = document.getElementById("panel");

  const el = (name, attributes, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {}))
      if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
    node.append(...children.filter((c) => c !== null && c !== ""));
    return node;
  };
  const chip = (state) => state
    ? el("span", {class: `tally v-${state}`, title: Q.states[state][1]}, `${Q.states[state][0]} ${state}`)
    : el("span", {class: "soft"}, "none");
  const marks = (words) => words.map((w) => el("span", {class: "soft", title: Q.marks[w][1]}, ` ${w}`));
  const fact = (label, ...value) => el("span", {}, el("span", {class: "soft"}, `${label} `), ...value);
  const rows = (heads) => el("thead", {}, el("tr", {}, ...heads.map((h) => el("th", {scope: "col"}, h))));

  const formats = (pair) => pair.findings.map((f) => el("div", {class: `part ${f.finding}`},
    el("h4", {}, el("span", {class: "component"}, f.component), ` ${f.finding}: `.replace("-", " "),
      el("code", {}, f.writes || "nothing"), " → ", el("code", {}, f.reads.join(", ") || "nothing")),
    f.differences.length ? el("ul", {class: "diff"}, ...f.differences.map((d) => el("li", {}, d))) : null,
    el("p", {}, el("b", {}, "What the receiver does: "), f.happens),
    f.reached ? null : el("p", {class: "soft"}, "It does not get there: the whole handover is refused before."),
    f.advice ? el("p", {}, el("b", {}, "What to do: "), f.advice, f.rule ? " " : "", f.rule ? el("code", {}, f.rule) : "") : null));

  const propertyTable = (list) => el("table", {class: "props"}, rows(["property", "expected", "observed", ""]),
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

  const detail = (c) => {
    const about = Q.scenarios.get(c.scenario);
    const objects = c.objects().sort((a, b) => Q.severity(b.verdict) - Q.severity(a.verdict));
    return [
      el("p", {}, el("b", {}, about.title), about.purpose ? ` – ${about.purpose}` : ""),
      c.detail ? el("pre", {}, c.detail) : null,
      el("h4", {}, "Prediction"),
      c.predicted.length
        ? el("ul", {class: "diff"}, ...c.predicted.map((a) => el("li", {}, chip(a.verdict),
          a.condition ? ` if ${a.condition}` : "", ...marks(a.consequences))))
        : el("p", {class: "soft"}, "None stored."),
      c.agrees === false ? el("p", {class: "dis"}, "≠ The observation is not in this set: schema or backend is wrong.") : null,
      ...c.reasons.map((r) => el("div", {class: "reason"},
        el("p", {}, el("code", {}, r.rule), ` ${r.component}: ${r.message}`),
        r.advice ? el("p", {}, el("b", {}, "What to do: "), r.advice) : null)),
      el("h4", {}, "Objects"),
      ...(objects.length ? objects.map(objectBox) : [el("p", {class: "soft"}, "None observed.")]),
      c.log.length ? el("h4", {}, "Log of the target") : null,
      c.log.length ? el("pre", {}, c.log.join("\n")) : null,
    ].filter((node) => node !== null);
  };

  const cellRows = (pair, c, id) => {
    const button = el("button", {type: "button", "aria-expanded": "false", "aria-controls": id}, c.scenario);
    const body = el("tr", {class: "detail", id, hidden: true}, el("td", {colspan: 5}));
    const toggle = (open) => {
      if (open && !body.firstChild.hasChildNodes()) body.firstChild.append(...detail(c));
      body.hidden = !open;
      button.setAttribute("aria-expanded", String(open));
    };
    button.addEventListener("click", () => {
      toggle(body.hidden);
      history.replaceState(null, "", Panel.fragment(pair, body.hidden ? "" : c.scenario));
    });
    const line = el("tr", {},
      el("th", {scope: "row"}, button),
      el("td", {}, chip(c.state), c.unstable ? " ~ UNSTABLE" : "", ...marks(c.consequences)),
      el("td", {}, [...new Set(c.predicted.map((a) => a.verdict))].join(" or ") || "–",
        c.agrees === false ? el("span", {class: "dis"}, " ≠") : ""),
      el("td", {}, c.same || "–"),
      el("td", {title: Q.date(c.created)}, `${c.evidence || "none"} · ${c.backend}${c.created ? ` · ${Q.age(c.created)}` : ""}`,
        c.shared ? el("span", {class: "soft"}, " · shared") : "", c.stale ? el("b", {title: Q.stale}, " · stale") : ""));
    return {rows: [line, body], toggle, button, scenario: c.scenario};
  };

  const open = (pair, scenario) => {
    const cells = pair.cells();
    const base = cells.find((c) => c.scenario === "baseline");
    const stale = cells.filter((c) => c.stale).length;
    const sorted = [...cells].sort((a, b) => (b === base) - (a === base) || Q.severity(b.state) - Q.severity(a.state));
    const title = el("h2", {id: "panel-title", tabindex: "-1"}, el("span", {class: "rel"}, pair.source), " → ",
      el("span", {class: "rel"}, pair.target), " ", el("small", {}, pair.direction));
    const close = el("button", {type: "button", "aria-label": "Close the details"}, "Close (Esc)");
    close.addEventListener("click", () => Panel.close());
    const parts = sorted.map((c, n) => cellRows(pair, c, `cell-${n}`));
    panel.replaceChildren(
      el("div", {class: "bar"}, title, close),
      el("p", {class: "summary"}, base ? fact("baseline", chip(base.state)) : "",
        fact("worst", chip(cells.map((c) => c.state).sort((a, b) => Q.severity(b) - Q.severity(a))[0])),
        fact("consequences", [...new Set(cells.flatMap((c) => c.consequences))].join(", ") || "none"),
        fact("scenarios", String(new Set(cells.map((c) => c.scenario)).size))),
      ...(stale ? [el("p", {class: "box warn"}, `${stale} ${stale === 1 ? "result was" : "results were"} ${Q.stale}.`)] : []),
      el("h3", {}, "Formats that do not fit"),
      ...(pair.findings.length ? formats(pair) : [el("p", {class: "soft"}, "None: strings and bytes agree for every component.")]),
      el("h3", {}, "Scenarios"),
      el("table", {class: "cells"}, rows(["scenario", "verdict", "predicted", `${pair.source} → itself`, "evidence"]),
        el("tbody", {}, ...parts.flatMap((p) => p.rows))));
    panel.hidden = false;
    panel.scrollTop = 0;
    const wanted = parts.find((p) => p.scenario === scenario) || (parts.length === 1 ? parts[0] : null);
    if (wanted) {
      wanted.toggle(true);
      wanted.button.scrollIntoView({block: "center"});
      wanted.button.focus({preventScroll: true});
    } else title.focus();
  };

  const fragment = (pair, scenario) =>
    `#${encodeURIComponent(pair.source)}→${encodeURIComponent(pair.target)}` + (scenario ? `/${encodeURIComponent(scenario)}` : "");
  return {open, fragment, close: () => {}, element: panel};
})();
