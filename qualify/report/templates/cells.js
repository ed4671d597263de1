// SPDX-License-Identifier: Apache-2.0
// The scenarios of a pair: a line each, with every backend's word side by side; a line opens into prediction, reasons, objects, files.
"use strict";
const Cells = (() => {
  const SHOWN = 40;  // ids of equal objects before "and N more"

  const chip = (state, itself = false) => state
    ? el("span", {class: `tally v-${state}${itself ? " hollow" : ""}`, title: Q.states[state][1]}, `${Q.states[state][0]} ${state}`,
      itself ? el("span", {title: "same as itself"}, " =") : "")
    : el("span", {class: "soft"}, "none");
  const marks = (words) => words.map((w) => el("span", {class: "soft", title: Q.marks[w][1]}, ` ${w}`));
  const fact = (label, ...value) => el("span", {}, el("span", {class: "soft"}, `${label} `), ...value);

  const advice = (list) => list.map((a) => el("p", {}, el("b", {}, "What to do: "), a.what, a.rule ? " " : "", a.rule ? el("code", {}, a.rule) : ""));
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

  const when = (at) => `${Q.date(at)} ${Q.ago(at) && `(${Q.ago(at)})`}`;
  const mark = (text, title) => el("span", {class: "dis", title}, text);
  const mismatch = (c, long) => [
    c.agrees === false ? mark(long ? " ≠ predicted" : " ≠", "not in the prediction set") : "",
    c.differences.length ? mark(" ≠ simulated", "the real kernel and the simulator differ") : "",
  ];

  // A cell without a verdict says why, and that it says nothing about the kernels.
  const failure = (c) => el("div", {class: "box warn"}, el("p", {}, chip(c.state), ` ${Q.states[c.state][1]}.`), c.detail ? el("pre", {}, c.detail) : "");

  const repeats = (c) => c.repeats.length ? [
    el("h4", {}, `~ UNSTABLE: ${c.repeats.length} repeats, and the worst counts`),
    el("ol", {class: "repeats"}, ...c.repeats.map((r) => el("li", {}, chip(r.state), ` ${when(r.measured)}`, r.machine ? ` on ${r.machine}` : "",
      r.detail ? el("span", {class: "soft"}, ` ${r.detail}`) : "", Files.logButton(r.files)))),
  ] : [];

  const differences = (c) => c.differences.length ? [
    el("h4", {class: "dis"}, `≠ ${c.evidence} and simulator differ`),
    el("table", {class: "props"}, headRow("object", "simulated", c.evidence), el("tbody", {}, ...c.differences.map((d) => el("tr", {},
      el("th", {scope: "row"}, d.id ? el("code", {}, d.id) : "the cell", d.component ? ` ${d.component}` : ""),
      el("td", {}, d.simulated ? chip(d.simulated) : "absent"), el("td", {}, d.observed ? chip(d.observed) : "absent"))))),
  ] : [];

  const detail = (pair, c) => {
    const objects = c.objects().sort((a, b) => Q.severity(b.verdict) - Q.severity(a.verdict));
    return [
      el("p", {class: "soft"}, `${c.evidence || "no evidence"} by ${c.backend}${c.created ? `, ${when(c.created)}` : ""}`,
        c.shared ? " · shares the run of an equal cell" : "", c.usual ? "" : " · left out of the worst of the square",
        c.planned ? "" : " · not planned by this matrix, shown to compare"),
      Q.failed(c.state) ? failure(c) : null,
      c.itself && Q.severity(c.state) > Q.severity("RESTORED") ? el("p", {}, el("b", {}, "= Same as itself: "), `${pair.source} → ${pair.source} ends in ${c.same}, too.`) : null,
      c.detail && !Q.failed(c.state) ? el("pre", {}, c.detail) : null,
      ...repeats(c), ...differences(c), ...Files.list(c.files),
      el("h4", {}, "Prediction"),
      c.predicted.length
        ? el("ul", {class: "diff"}, ...c.predicted.map((a) => el("li", {}, chip(a.verdict),
          a.condition ? ` if ${a.condition}` : "", ...marks(a.consequences))))
        : el("p", {class: "soft"}, "None stored."),
      c.agrees === false ? el("p", {class: "dis"}, c.real ? "≠ The observation is not in this set: the schema is wrong about these kernels." : "≠ The observation is not in this set: schema or backend is wrong.") : null,
      ...ruled(c.reasons),
      el("h4", {}, "Objects"),
      ...(objects.length ? objects.map(objectBox) : [el("p", {class: "soft"}, "None observed.")]),
      c.log.length ? el("h4", {}, "Log of the target") : null,
      c.log.length ? el("pre", {}, c.log.join("\n")) : null,
    ].filter((node) => node !== null);
  };

  const opened = (pair, c, others) => {
    const about = Q.scenarios.get(c.scenario);
    const one = (other) => el("details", {}, el("summary", {}, `${other.evidence || "no evidence"} by ${other.backend}: `, chip(other.state)), ...detail(pair, other));
    return [el("p", {}, el("b", {}, about.title), about.purpose ? ` – ${about.purpose}` : ""), ...detail(pair, c), ...others.map(one)];
  };

  // One column per backend, weakest evidence first, where there are several; else none, and a line is a cell.
  const columns = (cells) => {
    const known = new Map();
    for (const c of cells) if (!known.get(c.backend)) known.set(c.backend, c.evidence);
    const kinds = [...known.values()];
    if (known.size < 2) return [];
    return [...known].map(([backend, evidence]) => ({backend, evidence, head: kinds.filter((k) => k === evidence).length > 1 || !evidence ? `${evidence} ${backend}`.trim() : evidence}))
      .sort((a, b) => Q.strength(a.evidence) - Q.strength(b.evidence));
  };
  const HEADS = ["scenario", "verdict", "source → itself", "predicted", "evidence"];
  const heads = (pair, beside) => beside.length
    ? ["scenario", "predicted", ...beside.map((b) => b.head), `${pair.source} → itself`]
    : [HEADS[0], HEADS[1], `${pair.source} → itself`, HEADS[3], HEADS[4]];

  const field = (head, ...content) => el("td", {"data-head": head}, ...content);
  const state = (pair, c) => [chip(c.state, c.itself && pair.direction !== "same" && Q.severity(c.state) > Q.severity("RESTORED")),
    c.unstable ? " ~ UNSTABLE" : "", ...marks(c.consequences)];
  const itself = (c) => field(HEADS[2], c.same ? el("span", {class: c.same === c.state ? "soft" : ""}, `${Q.states[c.same][0]} ${c.same}`) : "–");
  const predicted = (c) => [...new Set(c.predicted.map((a) => a.verdict))].join(" or ") || "–";
  const stale = (c) => c.stale ? el("b", {title: Q.stale}, " · stale") : "";

  const alone = (pair, c) => [
    field(HEADS[1], ...state(pair, c), Files.logButton(c.files)),
    itself(c),
    field(HEADS[3], predicted(c), ...mismatch(c)),
    el("td", {"data-head": HEADS[4], title: `${Q.date(c.created)} ${Q.ago(c.created)} · ${c.backend}`}, `${c.evidence || "none"}${c.created ? ` · ${Q.date(c.created).slice(0, 10)}` : ""}`, stale(c)),
  ];
  const beside = (pair, c, others, columns) => {
    const by = new Map([c, ...others].map((other) => [other.backend, other]));
    const one = ({backend, head}) => {
      const found = by.get(backend);
      if (!found) return field(head, el("span", {class: "soft"}, "–"));
      return el("td", {"data-head": head, class: found === c ? "chief" : "", title: `${found.evidence} by ${backend} ${Q.date(found.created)}`},
        ...state(pair, found), ...mismatch(found, true), stale(found), Files.logButton(found.files));
    };
    const told = [c, ...others].find((other) => other.predicted.length) || c;
    return [field(HEADS[3], predicted(told)), ...columns.map(one), itself(c)];
  };

  const rows = (pair, c, others, columns, id) => {
    const button = el("button", {type: "button", "aria-expanded": "false", "aria-controls": id}, c.scenario);
    const body = el("tr", {class: "detail", id, hidden: true}, el("td", {colspan: heads(pair, columns).length}));
    const toggle = (open) => {
      if (open && !body.firstChild.hasChildNodes()) body.firstChild.append(...opened(pair, c, others));
      body.hidden = !open;
      button.setAttribute("aria-expanded", String(open));
    };
    button.addEventListener("click", () => {
      toggle(body.hidden);
      history.replaceState(null, "", Panel.fragment(pair, body.hidden ? "" : c.scenario));
    });
    const line = el("tr", {},
      el("th", {scope: "row"}, button, c.usual ? "" : el("span", {class: "soft", title: "left out of the worst of the square"}, " (left out)")),
      ...(columns.length ? beside(pair, c, others, columns) : alone(pair, c)));
    return {rows: [line, body], toggle, button, scenario: c.scenario};
  };

  return {chip, advice, fact, columns, heads, rows};
})();
