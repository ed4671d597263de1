// SPDX-License-Identifier: Apache-2.0
// The grid: keyboard, filters, deep links (#source→target/scenario). Without this file the page is still complete to read.
"use strict";
(() => {
  document.documentElement.classList.remove("no-js");
  const squares = [...document.querySelectorAll("td.sq")];
  const form = document.querySelector("form.filters");
  const notice = document.getElementById("notice");
  const plain = new Map(squares.map((s) => [s, {states: s.dataset.states.trim().split(" "), html: [...s.firstElementChild.childNodes]}]));
  let opened = null;

  for (const time of document.querySelectorAll("header time + .ago")) {
    const ago = Q.ago(Date.parse(time.previousElementSibling.dateTime) / 1000);
    time.textContent = ago && ` (${ago})`;
  }

  // --- one tab stop, arrows move ---
  const focusable = (square) => squares.forEach((s) => { s.firstElementChild.tabIndex = s === square ? 0 : -1; });
  focusable(squares[0]);
  const steps = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};
  const neighbour = (square, [down, right]) => {
    let row = square.parentElement.rowIndex, column = square.cellIndex;
    const table = square.closest("table");
    for (;;) {
      row += down;
      column += right;
      const next = table.rows[row] && table.rows[row].cells[column];
      if (!next || row < 1 || column < 1) return null;
      if (next.dataset.pair) return next;
    }
  };
  document.querySelector("table.grid").addEventListener("keydown", (event) => {
    const square = event.target.closest("td.sq"), step = steps[event.key];
    if (!square || !step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const next = neighbour(square, step);
    if (next) {
      focusable(next);
      next.firstElementChild.focus();
    }
  });

  // --- drill-down and deep links ---
  const names = (label) => [label, ...Object.keys(Q.aliases).filter((a) => Q.releases[Q.aliases[a]] === label)];
  const wanted = () => {
    try {
      return decodeURIComponent(location.hash.slice(1)).replace("->", "→");
    } catch {
      return location.hash.slice(1);
    }
  };
  // The pair and the scenario that a link names, by label or alias; a label goes before an alias of another release.
  const find = (text) => {
    const hits = [];
    for (const pair of Q.pairs)
      for (const source of names(pair.source))
        for (const target of names(pair.target)) {
          const name = `${source}→${target}`;
          if (text === name || text.startsWith(`${name}/`))
            hits.push({pair, scenario: text.slice(name.length + 1), exact: (source === pair.source) + (target === pair.target)});
        }
    return hits.sort((a, b) => b.exact - a.exact)[0] || null;
  };
  const say = (text) => {
    notice.textContent = text;
    notice.hidden = !text;
    if (text) notice.scrollIntoView({block: "nearest"});
  };
  const mark = (index) => squares.forEach((s) => s.classList.toggle("open", s.dataset.pair === String(index)));
  const show = ({pair, scenario}) => {
    const before = Panel.element.hidden;
    opened = squares.find((s) => s.dataset.pair === String(pair.index)) || null;
    mark(pair.index);
    const view = form.elements.scenario.value;
    const known = Panel.open(pair, scenario || (view.startsWith(":") ? "" : view));
    const name = scenario && known ? scenario : "";
    history.replaceState(null, "", Panel.fragment(pair, name));
    say(scenario && !known ? `This report has no scenario “${scenario}”; here is the pair.` : "");
    if (opened) {
      focusable(opened);
      // the first panel makes the grid narrower: its square must not end up out of sight
      const where = before ? "center" : "nearest";
      opened.scrollIntoView({block: where, inline: where});
    }
  };
  const reveal = (element) => {
    for (let e = element; e; e = e.parentElement) if (e.localName === "details") e.open = true;
    element.scrollIntoView();
  };
  const follow = () => {
    const text = wanted(), found = find(text), element = text && document.getElementById(text);
    if (found) show(found);
    else if (element) {
      say("");
      reveal(element);
    } else if (text) say(`The link “${text}” names no pair of this report. Write it as #SOURCE→TARGET, with two of: ${Q.releases.join(", ")}.`);
    return found;
  };
  const away = () => {
    Panel.element.hidden = true;
    document.body.classList.remove("paneled");
    mark(-1);
  };
  Panel.close = () => {
    if (Panel.element.hidden) return;
    away();
    say("");
    history.replaceState(null, "", location.pathname + location.search);
    if (opened) opened.firstElementChild.focus();
  };
  squares.forEach((square) => square.firstElementChild.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", Panel.fragment(Q.pairs[square.dataset.pair], ""));
    follow();
  }));
  window.addEventListener("hashchange", follow);
  window.addEventListener("popstate", () => { if (!find(wanted())) { away(); say(""); } });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !Files.isOpen()) Panel.close(); });

  // --- the pairs of a finding, in the grid ---
  for (const line of document.querySelectorAll("[data-finding]")) {
    const hit = (on) => squares.forEach((s) => s.classList.toggle("hit", on && Q.pairs[s.dataset.pair].numbers.has(Number(line.dataset.finding))));
    line.addEventListener("pointerenter", () => hit(true));
    line.addEventListener("pointerleave", () => hit(false));
    line.addEventListener("focus", () => hit(true));
    line.addEventListener("blur", () => hit(false));
  }

  for (const button of document.querySelectorAll("button[data-file]"))
    button.addEventListener("click", () => Files.open(Q.file(button.dataset.file)));

  // --- filters ---
  const span = (name, text, title) => el("span", {class: name, title}, text);
  const band = (state, ...content) => el("span", {class: `band v-${state}`}, ...content);
  const words = (state) => [el("i", {class: "s", "aria-hidden": "true"}, Q.states[state][0]), span("w", state),
    el("i", {class: "k", "aria-hidden": "true"}, Q.states[state][2])];
  const letters = (list) => list.map((w) => el("abbr", {title: `${w}: ${Q.marks[w][1]}`}, Q.marks[w][0]));
  const views = {
    ":evidence": (pair, states) => {
      const cells = pair.cells().filter((c) => c.created && c.planned), oldest = Math.min(...cells.map((c) => c.created));
      return [band(states[0], ...words(states[0]).slice(0, 1), span("fine", [...new Set(cells.map((c) => c.evidence).filter(Boolean))].join(", ") || "none"),
        cells.length ? span("fine", Q.date(oldest).slice(0, 10), Q.date(oldest)) : "", cells.length ? span("fine", Q.ago(oldest)) : "")];
    },
    ":consequences": (pair, states) => {
      const cells = pair.chiefs(), all = new Set(cells.filter((c) => c.usual).flatMap((c) => c.consequences));
      const base = cells.filter((c) => c.scenario === "baseline").flatMap((c) => c.consequences);
      return [band(states[0], el("span", {class: "fine letters"}, ...letters(Object.keys(Q.marks).filter((w) => base.includes(w)))),
        all.size ? el("span", {class: "fine letters"}, span("fine", "any: "), ...letters(Object.keys(Q.marks).filter((w) => all.has(w)))) : "")];
    },
  };
  const oneScenario = (pair, scenario) => {
    const cell = pair.chiefs().find((c) => c.scenario === scenario);
    if (!cell) return [["MISSING"], [band("MISSING", span("fine", "not planned"))]];
    const same = cell.same && (cell.itself && cell.same === cell.state ? "=" : `↺${Q.states[cell.same][0]}`);
    return [[cell.state], [band(cell.state, ...words(cell.state),
      cell.consequences.length ? el("abbr", {class: "m", title: cell.consequences.join(", ")}, "*") : "",
      cell.agrees === false || cell.differences.length ? span("m dis", "≠", cell.agrees === false ? "contradicts its prediction" : "ends otherwise than in the simulator") : "", cell.unstable ? span("m", "~", "repeats differ") : "",
      same ? span(same === "=" ? "own eq" : "own", same, `source → source: ${cell.same}`) : "",
      cell.evidence ? span("fine", `${cell.evidence}${cell.real ? ` (${cell.backend})` : ""}`) : "", cell.created ? span("fine", Q.date(cell.created).slice(0, 10), Q.date(cell.created)) : "")]];
  };
  // Puts the view into a square; answers the states that it shows.
  const restate = (square, view) => {
    const link = square.firstElementChild, before = plain.get(square), pair = Q.pairs[square.dataset.pair];
    if (!view) {
      link.replaceChildren(...before.html);
      return before.states;
    }
    const [states, bands] = views[view] ? [before.states, views[view](pair, before.states)] : oneScenario(pair, view);
    link.replaceChildren(span("vh", `${pair.source} to ${pair.target}: `), ...bands);
    return states;
  };
  const key = (view) => {
    const about = Q.scenarios.get(view), other = document.getElementById("key-view");
    document.getElementById("key").hidden = !!view;
    other.hidden = !view;
    other.textContent = {
      ":evidence": "Every kind of evidence of the pair, and the date of the oldest. The colour is that of the baseline.",
      ":consequences": "Consequences of the baseline, then of any usual scenario, by the letters of the legend. The colour is that of the baseline.",
    }[view] || (about ? `${about.title}${about.purpose && ` – ${about.purpose}`} At the right edge what source → source gives, = the same.` : "");
  };
  const checked = (name) => new Set([...form.querySelectorAll(`[name=${name}]`)].filter((box) => box.checked).map((box) => box.value));
  const pick = {
    any: (states) => states, baseline: (states) => states.slice(0, 1),
    worst: (states) => [...states].sort((a, b) => Q.severity(b) - Q.severity(a)).slice(0, 1),
  };
  const apply = () => {
    const view = form.elements.scenario.value, directions = checked("direction"), verdicts = checked("verdict");
    const looked = pick[form.elements.where.value];
    key(view);
    let kept = 0;
    for (const square of squares) {
      const shown = looked(restate(square, view)).some((state) => verdicts.has(state));
      const keep = shown && directions.has(Q.pairs[square.dataset.pair].direction);
      square.classList.toggle("dim", !keep);
      kept += keep;
    }
    form.querySelector("output").textContent = kept === squares.length ? "" : `${kept} of ${squares.length} pairs`;
  };
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("#page details:not([open])")];
    folded.forEach((d) => { d.open = true; });
  });
  window.addEventListener("afterprint", () => folded.forEach((d) => { d.open = false; }));
  if (location.hash) follow();
})();
