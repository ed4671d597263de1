// SPDX-License-Identifier: Apache-2.0
// Two formats side by side: a ruler where the places are known, and a table of every field with its bytes.
"use strict";
const el = (name, attributes, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {}))
    if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
  node.append(...children.filter((c) => c !== null && c !== ""));
  return node;
};
const headRow = (...heads) => el("thead", {}, el("tr", {}, ...heads.map((h) => el("th", {scope: "col"}, h))));

const Bytes = (() => {
  const WHOLE = "(whole)";
  const differs = (l) => l.written !== l.read || String(l.mine) !== String(l.theirs);
  const count = (n) => `${n.toLocaleString("en")} ${n === 1 ? "byte" : "bytes"}`;
  const where = ([offset, size]) => `${count(size)} at ${offset.toLocaleString("en")}`;
  // What stands alone or is the whole has a size and no place.
  const side = (text, span, alone) => [text, span ? (alone ? count(span[1]) : where(span)) : ""].filter(Boolean).join(" · ") || "–";

  // Fields as boxes, each as long as it is; only for what is short enough to see single bytes or is one thing.
  const ruler = (lines, labels) => {
    const placed = lines.filter((l) => l.name !== WHOLE && (l.mine || l.theirs));
    if (!placed.some(differs)) return null;
    const end = Math.max(...lines.flatMap((l) => [l.mine, l.theirs]).filter(Boolean).map(([offset, size]) => offset + size));
    const track = (label, pick) => el("div", {class: "track"}, el("span", {class: "soft"}, label),
      el("div", {class: "bytes"}, ...placed.filter(pick).map((l) => {
        const [offset, size] = pick(l), at = (100 * offset) / end, wide = (100 * size) / end;
        const box = el("i", {class: differs(l) ? "differs" : "", title: `${l.name}: ${where(pick(l))}`}, l.name);
        box.style.left = `${at}%`;
        box.style.width = `${wide}%`;
        return box;
      })));
    return el("div", {class: "ruler", "aria-hidden": "true"}, track(labels[0], (l) => l.mine), track(labels[1], (l) => l.theirs));
  };

  const alone = (l, lines) => l.name === WHOLE || lines.filter((other) => other.mine || other.theirs).length === 1;

  const part = ({title, note, lines}, labels) => el("div", {class: "layout"},
    el("h5", {}, title), ruler(lines, labels),
    el("table", {class: "props"}, headRow("", note ? labels[0] : `${labels[0]} writes`, note ? labels[1] : `${labels[1]} reads`),
      el("tbody", {}, ...lines.map((l) => el("tr", {class: !note && differs(l) ? "differs" : ""},
        el("th", {scope: "row"}, l.name === WHOLE ? "whole struct" : l.name, !note && differs(l) ? el("span", {class: "vh"}, " differs") : ""),
        el("td", {}, side(l.written, l.mine, alone(l, lines))), el("td", {}, side(l.read, l.theirs, alone(l, lines))))))));

  return {show: (layout, labels) => layout.map((p) => part(p, labels))};
})();
