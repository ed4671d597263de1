// SPDX-License-Identifier: Apache-2.0
// Names for the fields that qualify/report/export.py packs into lists. Text reaches the page as textContent only.
"use strict";
const Q = (() => {
  const raw = JSON.parse(document.getElementById("data").textContent);
  const text = (n) => raw.strings[n];
  const texts = (list) => list.map(text);

  const properties = (list) => list.map(([name, state, expected, observed, critical]) => ({
    name: text(name), state: text(state), expected: text(expected), observed: text(observed), critical: !!critical,
  }));

  const object = (n) => {
    const [component, verdict, why, interface_, reply, errno, consequences, props, notes, predicted] = raw.objects[n];
    return {
      component: text(component), verdict: text(verdict), why: text(why), interface: text(interface_),
      reply: text(reply), errno: text(errno), consequences: texts(consequences), properties: properties(props),
      notes: texts(notes), predicted: texts(predicted),
    };
  };

  // Runs of equal objects, each with the ids that it stands for.
  const objects = (ids, runs) => {
    const names = texts(raw.ids[ids]);
    const found = [];
    for (let i = 0, at = 0; i < runs.length; at += runs[i + 1], i += 2)
      found.push({...object(runs[i]), ids: names.slice(at, at + runs[i + 1])});
    return found;
  };

  const reason = (n) => {
    const [rule, component, message, advice] = texts(raw.reasons[n]);
    return {rule, component, message, advice};
  };

  const file = (n) => {
    const [name, sha, size, text, leftOut, why] = raw.files[n];
    return {name, sha, size, leftOut, why, packed: text < 0 ? "" : raw.texts[text], path: raw.folder ? `${raw.folder}/${sha.slice(0, 2)}/${sha}` : ""};
  };
  const byDigest = (sha) => raw.files.findIndex((f) => f[1] === sha);
  const repeat = ([state, measured, machine, detail, files]) => (
    {state: text(state), measured, machine: text(machine), detail: text(detail), files: files.map(file)});
  const difference = (list) => {
    const [id, component, simulated, observed] = texts(list);
    return {id, component, simulated, observed};
  };

  const order = ["MISSING", "TIMEOUT", "ERROR", "UNSUPPORTED", "RESTORED", "DEGRADED", "REFUSED", "LOST", "PANIC", "CORRUPT"];
  const severity = (state) => order.indexOf(state);

  const scenarios = new Map(raw.scenarios.map(([id, title, purpose, usual]) => [id, {id, title, purpose, usual: !!usual}]));

  const cell = (scenario, n, created) => {
    const f = raw.cells[n], state = text(f[1]), same = text(f[8]), evidence = text(f[2]);
    return {
      scenario, created, state, same, backend: text(f[0]), evidence, real: raw.real.includes(evidence), consequences: texts(f[3]),
      usual: scenarios.get(scenario).usual,
      // as CellRow.same_as_itself in qualify/report/data.py
      itself: !!same && severity(state) > severity("ERROR") && severity(state) <= severity(same),
      predicted: f[4].map(([verdict, condition, extra]) => (
        {verdict: text(verdict), condition: text(condition), consequences: texts(extra)})),
      agrees: f[5] < 0 ? null : !!f[5], unstable: !!f[6], shared: !!f[7], detail: text(f[9]),
      objects: () => objects(f[10], f[11]), reasons: f[12].map(reason), log: texts(f[13]),
      files: f[14].map(file), repeats: f[15].map(repeat), differences: f[16].map(difference), planned: !!f[17], stale: !!f[18],
    };
  };

  const findings = raw.findings.map(([finding, component, writes, reads, differences, happens, advice, reached, verdicts, layout]) => ({
    finding, component, writes, reads, differences, happens, reached, verdicts,
    advice: advice.map(([rule, what]) => ({rule, what})),
    layout: layout.map(([title, note, lines]) => ({
      title, note: !!note, lines: lines.map(([name, written, read, mine, theirs]) => ({name, written, read, mine: mine || null, theirs: theirs || null})),
    })),
  }));

  const pairs = raw.pairs.map(([source, target, direction, found, cells], index) => ({
    index, direction, source: raw.releases[source], target: raw.releases[target],
    findings: found.map((n) => findings[n]), numbers: new Set(found),
    cells() {
      const all = [];
      for (let i = 0; i < cells.length; i += 3) all.push(cell(raw.scenarios[cells[i]][0], cells[i + 1], cells[i + 2]));
      return all;
    },
    // The cell of every scenario that the square shows: as PairRow.chiefs, the first planned one of each.
    chiefs(cells = this.cells()) {
      const found = new Map();
      for (const c of cells) if (c.planned && !found.has(c.scenario)) found.set(c.scenario, c);
      return [...found.values()];
    },
  }));

  const worstFirst = (a, b) => severity(b.state) - severity(a.state) || a.itself - b.itself;

  // Ages are worked out when somebody looks, and never stand without their date; '' when the viewer's clock is behind.
  const ago = (created) => {
    const s = Date.now() / 1000 - created;
    if (!created || s < 0) return "";
    if (s < 60) return "just now";
    if (s < 3600) return `${Math.floor(s / 60)} min ago`;
    return s < 172800 ? `${Math.floor(s / 3600)} h ago` : `${Math.floor(s / 86400)} d ago`;
  };
  const date = (created) => created ? new Date(created * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC" : "";
  const failed = (state) => state === "ERROR" || state === "TIMEOUT";
  const strength = (evidence) => (raw.real.includes(evidence) ? 1 + raw.real.indexOf(evidence) : evidence ? 0 : 9);
  return {pairs, scenarios, failed, strength, file: (sha) => (byDigest(sha) < 0 ? null : file(byDigest(sha))), releases: raw.releases, aliases: raw.aliases, states: raw.states, marks: raw.consequences, stale: raw.stale, severity, worstFirst, ago, date};
})();
