// SPDX-License-Identifier: Apache-2.0
// The grid: keyboard, filters, deep links (#source→target/scenario). Without this file the page is still complete to read.
"use strict";
(() => {
  document.documentElement.classList.remove("no-js");
  const squares = [...document.querySelectorAll("td.sq")];
  const form = document.querySelector("form.filters");
  const plain = new Map(squares.map((s) => [s, {state: s.className.match(/v-(\w+)/)[1], html: [...s.querySelector("a").childNodes]}]));
  let opened = null;

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
  const find = () => {
    let wanted;
    try {
      wanted = decodeURIComponent(location.hash.slice(1)).replace("->", "→");
    } catch {
      return null;
    }
    for (const pair of Q.pairs) {
      const name = `${pair.source}→${pair.target}`;
      if (wanted === name) return [pair, ""];
      if (wanted.startsWith(`${name}/`)) return [pair, wanted.slice(name.length + 1)];
    }
    return null;
  };
  const mark = (index) => squares.forEach((s) => s.classList.toggle("open", s.dataset.pair === String(index)));
  const follow = () => {
    const found = find();
    if (!found) return;
    const [pair, scenario] = found;
    opened = squares.find((s) => s.dataset.pair === String(pair.index)) || null;
    mark(pair.index);
    if (opened) focusable(opened);
    Panel.open(pair, scenario || form.elements.scenario.value);
  };
  Panel.close = () => {
    if (Panel.element.hidden) return;
    Panel.element.hidden = true;
    history.replaceState(null, "", location.pathname + location.search);
    mark(-1);
    if (opened) opened.firstElementChild.focus();
  };
  squares.forEach((square) => square.firstElementChild.addEventListener("click", (event) => {
    event.preventDefault();
    history.pushState(null, "", Panel.fragment(Q.pairs[square.dataset.pair], ""));
    follow();
  }));
  window.addEventListener("hashchange", follow);
  window.addEventListener("popstate", () => (find() ? follow() : Panel.close()));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") Panel.close(); });

  // --- filters ---
  const span = (name, text) => Object.assign(document.createElement("span"), {className: name, textContent: text});
  const restate = (square, scenario) => {
    const link = square.firstElementChild, before = plain.get(square);
    let shown = before.state;
    if (!scenario) link.replaceChildren(...before.html);
    else {
      const pair = Q.pairs[square.dataset.pair];
      const cells = pair.cells().filter((c) => c.scenario === scenario);
      const cell = cells.sort((a, b) => Q.severity(b.state) - Q.severity(a.state))[0];
      shown = cell ? cell.state : "MISSING";
      const same = cell && cell.same ? `same → ${cell.same}` : "";
      link.replaceChildren(span("vh", `${pair.source} to ${pair.target}: `),
        span("word", cell ? `${Q.states[shown][0]} ${shown}` : "not planned"),
        span("marks", cell ? cell.consequences.map((w) => Q.marks[w][0]).join(" ") + (cell.agrees === false ? " ≠" : "") : ""),
        span("worst", same), span("ev", cell && cell.evidence ? `${cell.evidence} · ${Q.age(cell.created)}` : ""));
    }
    square.className = square.className.replace(/v-\w+/, `v-${shown}`);
    return shown;
  };
  const checked = (name) => new Set([...form.elements[name]].filter((box) => box.checked).map((box) => box.value));
  const apply = () => {
    const scenario = form.elements.scenario.value, directions = checked("direction"), verdicts = checked("verdict");
    let kept = 0;
    for (const square of squares) {
      const keep = verdicts.has(restate(square, scenario)) & directions.has(Q.pairs[square.dataset.pair].direction);
      square.classList.toggle("dim", !keep);
      kept += keep;
    }
    form.querySelector("output").textContent = kept === squares.length ? "" : `${kept} of ${squares.length} pairs`;
  };
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
  follow();
})();
