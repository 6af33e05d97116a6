"use strict";
(() => {
  const PAGE = 20;
  const LONG = 100;
  const PRINTED = 100;
  const EVIDENCE_PRINTED = 50;

  // Everything is set as text or attribute, never as markup: names are data.
  const el = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null));
    return node;
  };
  const grouped = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, ",");
  const words = (name) => String(name).replace(/_[nu]s$/, "").replaceAll("_", " ");
  const utc = (ms) => new Date(ms).toISOString().replace("T", " ").replace(/(\.000)?Z$/, "");
  const state = (name) => el("span", { class: "state " + name }, words(name));
  const bdi = (name) => el("bdi", {}, name === null ? "–" : name);

  // Exact decimal subtraction: both sides as integers of the finer scale.
  const minus = (left, right) => {
    const places = (text) => (text.split(".")[1] || "").length;
    const scale = Math.max(places(left), places(right));
    const whole = (text) => BigInt(text.replace(".", "") + "0".repeat(scale - places(text)));
    const value = whole(left) - whole(right);
    const digits = String(value < 0n ? -value : value).padStart(scale + 1, "0");
    const fraction = scale ? digits.slice(-scale).replace(/0+$/, "") : "";
    const head = scale ? digits.slice(0, -scale) : digits;
    return (value < 0n ? "−" : value > 0n ? "+" : "") + head + (fraction ? "." + fraction : "");
  };

  // On a phone a row is a card: each value stands under the name of its column, a dash is left out.
  const fold = (grid, heads) => {
    // Up to three columns fit.
    if (heads.length <= 3) return grid;
    grid.classList.add("fold");
    for (const row of grid.querySelectorAll(":scope > tbody > tr:not(.detail), :scope > tfoot > tr")) {
      let at = 0;
      for (const one of row.cells) {
        if (one.tagName === "TD" && one.colSpan === 1) one.dataset.head = heads[at] || "";
        if (["–", ""].includes(one.textContent.trim()) && !one.firstElementChild) one.classList.add("none");
        at += one.colSpan;
      }
    }
    return grid;
  };
  const table = (caption, heads, rows, classes = []) => {
    const shown = rows.slice(0, LONG), names = heads.map(([text]) => text);
    const body = el("tbody", {}, ...shown.map((row, at) => el("tr", { class: classes[at] || null }, ...row)));
    const grid = el("table", {}, el("caption", {}, caption),
      el("thead", {}, el("tr", {}, ...heads.map(([text, kind]) => el("th", { scope: "col", class: kind }, text)))), body);
    fold(grid, names);
    if (shown.length === rows.length) return grid;
    const more = el("button", { type: "button", onclick: () => {
      body.append(...rows.slice(LONG).map((row) => el("tr", {}, ...row)));
      fold(grid, names);
      more.remove();
    } }, `Show all ${grouped(rows.length)} rows`);
    return el("div", {}, grid, more);
  };

  const isNumber = (value) => value !== null && value !== "" && !Number.isNaN(Number(value));
  const cell = (value) => el("td", { class: isNumber(value) ? "number" : null }, scalar(value));
  const scalar = (value) => value === null ? "none" : value === true ? "yes" : value === false ? "no"
    : typeof value === "object" ? tree(value) : String(value);

  // Evidence of any shape: objects as lists of names, lists of like objects as tables.
  const tree = (value, name) => {
    if (value === null || typeof value !== "object") return scalar(value);
    if (Array.isArray(value)) {
      return value.every((item) => item === null || typeof item !== "object")
        ? value.map(scalar).join(", ") || "none"
        : el("div", {}, ...value.map((item) => el("div", {}, tree(item))));
    }
    const keys = Object.keys(value);
    if (keys.length === 1 && keys[0] === "") {
      const [names, rows] = value[""];
      const heads = names.map((text, at) => [words(text), isNumber(rows[0][at]) ? "number" : null]);
      return table(rows.length === 1 ? words(name || "row") : `${grouped(rows.length)} ${words(name || "rows")}`, heads, rows.map((row) => row.map(cell)));
    }
    const isTable = (inner) => inner !== null && typeof inner === "object" && "" in inner;
    return el("dl", { class: "tree" }, ...keys.map((key) => el("div", { class: isTable(value[key]) ? "rows" : null },
      el("dt", {}, words(key)), el("dd", {}, tree(value[key], key)))));
  };

  const SVG = "http://www.w3.org/2000/svg";
  const shape = (tag, attributes) => {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };

  // Both candles on one scale; drawn from floats, the table beside it is exact.
  const candles = (ours, theirs) => {
    const sides = [["ours", ours], ["exchange's", theirs]].filter(([, side]) => side[0] !== null);
    const prices = sides.flatMap(([, side]) => side.slice(0, 4).map(Number));
    const low = Math.min(...prices), span = Math.max(...prices) - low || 1;
    const y = (price) => 84 - (Number(price) - low) / span * 76;
    const svg = shape("svg", { viewBox: "0 0 128 104", class: "pair-candle", role: "img" });
    const title = shape("title", {});
    title.textContent = `Open, high, low and close on one scale: ${sides.map(([name]) => name).join(" and ")}`;
    svg.append(title);
    sides.forEach(([name, side], place) => {
      const x = 34 + place * 60, [open, high, lowest, close] = side;
      const color = Number(close) >= Number(open) ? "var(--up)" : "var(--down)";
      const top = y(Math.max(Number(open), Number(close))), bottom = y(Math.min(Number(open), Number(close)));
      svg.append(shape("path", { d: `M${x} ${y(high)}V${y(lowest)}`, stroke: color, "stroke-width": 1.5 }),
        shape("rect", { x: x - 9, y: top, width: 18, height: Math.max(1.5, bottom - top), fill: color }));
      const text = shape("text", { x, y: 100, "text-anchor": "middle", "font-size": 10, fill: "var(--muted)" });
      text.textContent = name;
      svg.append(text);
    });
    return svg;
  };

  const sides = (row) => {
    const ours = row[5].split(" ").map((text) => text === "-" ? null : text);
    const theirs = row[6].split(" ").map((text, at) => text === "-" ? null : text === "=" ? ours[at] : text);
    return [ours, theirs];
  };
  const fieldNames = (data, row) => data.fields.filter((_, bit) => row[4] >> bit & 1);
  const number = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

  // A difference in words: what ours is, what the exchange's is, and by how much.
  const sentenceOf = (data, row, most) => {
    const [ours, theirs] = sides(row), kind = data.classes[row[3]], names = fieldNames(data, row);
    if (kind === "extra") return "the exchange has no such kline";
    if (!names.length) return row[10] === undefined ? "ours has no such kline" : "ours was published and not stored";
    const told = names.slice(0, most).map((name) => {
      const at = data.fields.indexOf(name), both = ours[at] !== null && theirs[at] !== null;
      return `${words(name)} ${ours[at] || "–"}, exchange's ${theirs[at] || "–"}${both ? ` (${minus(ours[at], theirs[at])})` : ""}`;
    });
    const more = names.length - most;
    return told.join("; ") + (more > 0 ? `; and ${more} more ${more === 1 ? "field" : "fields"}` : "");
  };

  // What a list of like objects was before it was folded.
  const unfolded = (value) => value === null || typeof value !== "object" ? [] : Array.isArray(value) ? value
    : "" in value ? value[""][1].map((row) => Object.fromEntries(value[""][0].map((name, at) => [name, row[at]]))) : [value];

  // Everything that a value holds as rows of a path and a text; tables in it stand on their own.
  const pathsOf = (value, path) => {
    if (value === null || typeof value !== "object" || (Array.isArray(value) && value.every((item) => item === null || typeof item !== "object")))
      return [[path, el("td", {}, tree(value))]];
    if ("" in value) return [[path, el("td", {}, tree(value, path))]];
    return Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, Array.isArray(value) ? path : `${path} ${words(key)}`.trim()));
  };

  // A proof as tables: what was undone, and what it rests on. What was made of it stands beside both sides.
  const proofOf = (proof) => {
    if (proof === null || typeof proof !== "object" || !("causes" in proof)) return proof ? tree(proof, "proof") : null;
    const rows = unfolded(proof.causes).flatMap((cause) => {
      const { cause: name, ...evidence } = cause, items = Object.entries(evidence);
      const lines = items.length ? items : [["", "yes"]];
      return lines.map(([key, value], at) => [el("th", { scope: "row" }, at ? "" : words(name)), el("td", {}, words(key)),
        el("td", {}, value !== null && typeof value === "object" ? tree(value, key) : scalar(value))]);
    });
    const rest = Object.entries(proof).filter(([key]) => !["causes", "kline", "equal"].includes(key));
    return el("div", {}, el("div", { class: "scroll" }, table("Undone", [["Cause", null], ["What", null], ["Value", null]], rows)),
      rest.length ? el("details", { "data-long": true }, el("summary", {}, "What the proof used"), el("div", { class: "scroll" }, table("What the proof used",
        [["What", null], ["Value", null]], rest.flatMap(([key, value]) => pathsOf(value, key === "inputs" ? "" : words(key))).map(([path, value]) => [el("th", { scope: "row" }, path), value])))) : null);
  };

  const tradesWithin = ({ trades, applied, listed }) => {
    const count = "" in listed ? listed[""][1].length : listed.length;
    const told = trades === 0 ? "No trade was given in its time."
      : `${grouped(trades)} ${trades === 1 ? "trade" : "trades"} in its time, ${grouped(applied)} of them applied` +
        (count === trades ? "." : `. Listed are ${grouped(count)}: the first, the last, the highest and the lowest` +
          (applied === trades ? "." : ", and the first that were not applied."));
    return el("div", {}, el("p", {}, told), count ? el("div", { class: count > 8 ? "scroll trades cut" : "scroll trades" }, tree(listed, "trades listed")) : null);
  };

  const differenceDetail = (data, row) => {
    const [ours, theirs] = sides(row);
    const made = row[8] && row[8].kline && typeof row[8].kline === "object" ? row[8].kline : null;
    const rows = data.fields.map((name, at) => {
      const both = ours[at] !== null && theirs[at] !== null;
      const differs = both && ours[at] !== theirs[at];
      const kind = differs ? "number differs" : "number";
      const cells = [el("th", { scope: "row" }, words(name)), el("td", { class: kind }, ours[at] || "–"),
        el("td", { class: kind }, theirs[at] || "–"),
        el("td", { class: kind }, differs ? minus(ours[at], theirs[at]) : both ? "equal" : "–")];
      if (made) {
        const value = name in made && made[name] !== null ? number(String(made[name])) : null;
        cells.push(el("td", { class: "number" }, value === null ? "–" : value), el("td", { class: "number" },
          value === null || theirs[at] === null ? "–" : value === number(theirs[at]) ? "equals" : minus(theirs[at], value)));
      }
      return [cells, both && !differs];
    });
    const kind = data.classes[row[3]], cause = row[7] < 0 ? null : words(data.causes[row[7]]);
    const told = row[7] < 0 || !data.told[row[7]] ? "" : ` (${data.told[row[7]]})`;
    const why = { missing: row[10] === undefined ? "The exchange published this kline; the aggregator did not."
        : `The aggregator published this kline at ${utc(row[10])}; it was not stored.`,
      extra: "The aggregator published this kline; the exchange did not." }[kind];
    const shown = { proved: "Proved: with the cause undone, it is the exchange's in every compared field.",
      consistent: "Consistent: the rest is possible, but nobody saw it." }[kind] || "";
    const proved = el("div", {}, candles(ours, theirs),
      el("p", {}, cause === null ? why || "No cause was proved for this difference." : `Cause: ${cause}${told}. ${shown}`),
      proofOf(row[8] === undefined ? null : row[8]));
    const trades = row[9] ? tradesWithin(row[9]) : null;
    const heads = [["Field", null], ["Ours", "number"], ["Exchange's", "number"], ["Ours − exchange's", "number"],
      ...(made ? [["With the cause undone", "number"], [kind === "proved" ? "Exchange's" : "Exchange's − that", "number"]] : [])];
    const caption = `${data.symbols[row[0]]} ${data.intervals[row[1]]} kline that opened ${utc(row[2])}`;
    return el("div", { class: made ? "detail-grid wide" : "detail-grid" }, el("p", { class: "sentence-of" }, `${caption}: ${sentenceOf(data, row, 3)}.`),
      el("div", { class: "scroll" }, table("Both sides, exactly", heads, rows.map(([cells]) => cells), rows.map(([, equal]) => (equal ? "equal" : null)))), proved, trades);
  };

  const SPECS = {
    differences: {
      one: "difference",
      long: [4, 5],
      caption: "Differing klines",
      heads: ["Number", "Symbol", "Interval", "Opened", "Class", "Ours against the exchange's", "Cause"],
      filters: [["Symbol", "symbols", 0], ["Interval", "intervals", 1], ["Class", "classes", 3]],
      cells: (data, row) => [bdi(data.symbols[row[0]]), data.intervals[row[1]], utc(row[2]), state(data.classes[row[3]]),
        sentenceOf(data, row, 1), row[7] < 0 ? "–" : words(data.causes[row[7]])],
      text: (data, row) => [data.symbols[row[0]], data.intervals[row[1]], utc(row[2]), data.classes[row[3]],
        fieldNames(data, row).join(" "), row[5], row[6], row[7] < 0 ? "" : data.causes[row[7]], JSON.stringify(row.slice(8))],
      detail: differenceDetail,
      record: (data, row) => {
        const [ours, theirs] = sides(row), side = (name, values) => data.fields.map((field, at) => [`${name}_${field}`, values[at]]);
        return { symbol: data.symbols[row[0]], interval: data.intervals[row[1]], open_time: new Date(row[2]).toISOString(),
          class: data.classes[row[3]], fields: fieldNames(data, row).join(" "), ...Object.fromEntries([...side("ours", ours), ...side("theirs", theirs)]),
          cause: row[7] < 0 ? null : data.causes[row[7]] };
      },
    },
    findings: {
      one: "finding",
      long: [1, 2, 4],
      caption: "Findings of the checks",
      heads: ["Number", "Severity", "Check and kind", "Series", "Time", "What"],
      filters: [["Check", "checks", 0], ["Kind", "kinds", 1], ["Severity", "severities", 2], ["Symbol", "symbols", 3], ["Interval", "intervals", 4]],
      cells: (data, row) => [state(data.severities[row[2]]), `${words(data.checks[row[0]])}: ${words(data.kinds[row[1]])}`,
        row[3] < 0 ? "–" : el("span", {}, bdi(data.symbols[row[3]]), row[4] < 0 ? "" : ` ${data.intervals[row[4]]}`), row[5] || row[6] || "–", row[8] || "–"],
      text: (data, row) => [data.checks[row[0]], data.kinds[row[1]], data.severities[row[2]], data.symbols[row[3]] || "",
        data.intervals[row[4]] || "", row[5] || "", row[6] || "", row[8] || "", JSON.stringify(row[7])],
      detail: (data, row) => {
        const all = { ...(row[5] && row[6] ? { at: row[6] } : {}), ...row[7] };
        return Object.keys(all).length ? tree(all, "evidence") : el("p", {}, "No further evidence.");
      },
      record: (data, row) => ({ severity: data.severities[row[2]], check: data.checks[row[0]], kind: data.kinds[row[1]],
        symbol: data.symbols[row[3]] || null, interval: data.intervals[row[4]] || null, open_time: row[5], at: row[6], evidence: row[7] }),
    },
  };

  const plain = (...cells) => cells.map((cell) => (typeof cell === "number" ? grouped(cell) : cell));
  // A mark, a number and a colour: none of them is needed to read the others.
  const MARKS = ["×", "?", "✓", "–"];
  const classesOf = (data, counts) => data.classes.map((name, at) => [words(name), counts[at]]).filter(([, count]) => count);
  const mapCell = (data, symbol, at, cell) => {
    if (!cell) return el("td", { class: "none" });
    const [state, ...counts] = typeof cell === "number" ? [2, cell] : cell, first = counts[data.classes.length];
    const text = `${symbol} ${data.intervals[at]}: ${classesOf(data, counts).map(([name, count]) => `${grouped(count)} ${name}`).join(", ")}`;
    const wrong = counts.slice(state ? 1 : 3, state ? 3 : 6).reduce((sum, count) => sum + (count || 0), 0);
    const mark = MARKS[state] + (wrong ? grouped(wrong) : "");
    // A table of the differences is on the report alone.
    const page = window.KlineReport.block("differences") ? "" : "report.html";
    return el("td", { class: `cell ${data.states[state]}`, "data-head": data.intervals[at], title: text }, first
      ? el("a", { href: `${page}#difference-${first}`, "aria-label": text }, mark) : mark);
  };
  SPECS.series = {
    one: "series",
    many: "symbols",
    caption: "Symbols by intervals, the worst first",
    // Symbols that are the exchange's in every interval are one line until somebody asks.
    folds: (row) => row[1] === 2,
    folded: (count) => `the ${grouped(count)} that are the exchange's in every interval`,
    long: [],
    heads: (data) => ["Number", "Symbol", ...data.intervals],
    filters: [["State", "states", 1]],
    cells: (data, row) => [bdi(row[0]), ...row[2].map((cell, at) => mapCell(data, row[0], at, cell))],
    text: (data, row) => [row[0], data.states[row[1]]],
    detail: (data, row) => {
      const own = row[2].map((cell, at) => [data.intervals[at], typeof cell === "number" ? [cell] : cell.slice(1)]).filter(([, counts]) => counts.some(Boolean));
      return el("div", { class: "scroll" }, table(`Klines of ${row[0]}`, [["Interval", null], ...data.classes.map((name) => [words(name), "number"])],
        own.map(([interval, counts]) => [el("th", { scope: "row" }, interval), ...data.classes.map((_, at) => el("td", { class: "number" }, grouped(counts[at] || 0)))])));
    },
  };
  SPECS.ledger = {
    one: "line",
    many: "lines",
    printed: 40,
    long: [2, 3, 4],
    caption: "A total and the parts it must equal",
    heads: ["Number", "Law", "Subject", "Total", "Parts", "Balance"],
    filters: [["Law", "laws", 0]],
    cells: (data, row) => [data.laws[row[0]], bdi(row[1]), row[2], row[3],
      row[4] === "" ? el("span", { class: "state identical" }, "balanced") : el("span", { class: "state unexplained" }, "off by " + row[4])],
    text: (data, row) => [data.laws[row[0]], row[1], row[2], row[3], row[4] === "" ? "balanced" : "unbalanced off by"],
  };
  SPECS.inputs = {
    one: "file",
    long: [2],
    caption: "Input files",
    heads: ["Number", "Role", "File", "Rows", "Size", "First event", "Last event"],
    filters: [["Role", "roles", 0]],
    cells: (data, row) => [data.roles[row[0]], bdi(row[1]), row[3], row[5], row[6], row[7]],
    text: (data, row) => [data.roles[row[0]], ...row.slice(1)],
    detail: (data, row) => tree({ symbols: row[2], skipped: row[4], "trade ids": row[8] || "–", format: row[9], "SHA-256": row[10] }, "file"),
  };

  const save = (name, type, text) => {
    const address = URL.createObjectURL(new Blob([text], { type }));
    const link = el("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  };
  const quoted = (value) => {
    const text = value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = (records) => [Object.keys(records[0] || {}), ...records.map(Object.values)].map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";

  const view = (root, name) => {
    const spec = SPECS[name];
    const data = window.KlineReport.block(name);
    const heads = typeof spec.heads === "function" ? spec.heads(data) : spec.heads;
    const chosen = new Map(), open = new Set(), haystack = [];
    let needle = "", page = 0, size = PAGE, matches = [];

    const status = el("p", { class: "status", role: "status" });
    const body = el("tbody");
    const pager = el("nav", { class: "pager", "aria-label": "Pages of " + name });

    // Rows that say nothing new are folded while neither filtered nor searched.
    const dull = spec.folds ? data.rows.filter(spec.folds).length : 0;
    let folds = dull > 0 && dull < data.rows.length;
    const unfold = el("button", { type: "button", hidden: !folds, onclick: () => { folds = false; refilter(); } }, folds ? `Show ${spec.folded(dull)}` : "");
    const holds = (at) => {
      if (folds && !needle && !chosen.size && spec.folds(data.rows[at])) return false;
      for (const [column, code] of chosen) if (data.rows[at][column] !== code) return false;
      if (!needle) return true;
      haystack[at] = haystack[at] || spec.text(data, data.rows[at]).join(" ").toLowerCase();
      return haystack[at].includes(needle);
    };
    const refilter = () => {
      matches = [];
      for (let at = 0; at < data.rows.length; at += 1) if (holds(at)) matches.push(at);
      page = 0;
      unfold.hidden = !folds || needle !== "" || chosen.size > 0;
      draw();
    };

    const toggle = (at, button, row) => {
      const opens = !open.has(at);
      if (opens) open.add(at); else open.delete(at);
      button.setAttribute("aria-expanded", String(opens));
      if (opens) row.after(detail(at)); else row.nextSibling.remove();
      // The address names what was opened last: it can be sent on.
      if (opens) { history.replaceState(null, "", `#${spec.one}-${data.first + at}`); opened(at); }
    };
    const go = (at) => { location.hash = `#${spec.one}-${data.first + at}`; };
    const near = (at, by) => matches[matches.indexOf(at) + by];
    // Where the clipboard is out of reach, the address stands there to be copied.
    const copy = async (at, button) => {
      const address = `${location.href.split("#")[0]}#${spec.one}-${data.first + at}`;
      try { await navigator.clipboard.writeText(address); button.textContent = "Copied"; } catch {
        const field = el("input", { readonly: true, "aria-label": "Address", value: address });
        button.replaceWith(field);
        field.select();
      }
    };
    const detailBar = (at) => {
      const step = (text, by) => el("button", { type: "button", disabled: near(at, by) === undefined, onclick: () => go(near(at, by)) }, text);
      const link = el("button", { type: "button", onclick: () => copy(at, link) }, "Copy link");
      return el("div", { class: "detail-bar" }, step(`Previous ${spec.one}`, -1), step(`Next ${spec.one}`, 1), link);
    };
    const detail = (at) => el("tr", { class: "detail", id: `${spec.one}-${data.first + at}-detail` },
      el("td", { colspan: heads.length }, detailBar(at), spec.detail(data, data.rows[at])));
    let last = -1;
    root.addEventListener("keydown", (event) => {
      const by = { j: 1, k: -1 }[event.key];
      if (!by || last < 0 || event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT/.test(event.target.tagName)) return;
      const next = near(last, by);
      if (next !== undefined) go(next);
    });
    const opened = (at) => {
      last = at;
      if (spec.one === "difference" && window.KlineReport.chosen) window.KlineReport.chosen(data, data.rows[at]);
    };
    const rowsOf = (at) => {
      const number = data.first + at;
      const button = el("button", { type: "button", class: "expand number", "aria-expanded": String(open.has(at)),
        "aria-label": `Evidence of ${spec.one} ${number}`, onclick: () => toggle(at, button, row) }, grouped(number));
      const row = el("tr", { class: "row", id: `${spec.one}-${number}` }, el("th", { scope: "row" }, spec.detail ? button : grouped(number)),
        ...spec.cells(data, data.rows[at]).map((content, at) => (content instanceof HTMLTableCellElement ? content : el("td", { class: content === "–" ? "none" : spec.long.includes(at) ? null : "time" }, content))));
      return open.has(at) ? [row, detail(at)] : [row];
    };

    const draw = () => {
      const pages = Math.max(1, Math.ceil(matches.length / size));
      page = Math.min(Math.max(0, page), pages - 1);
      body.replaceChildren(...matches.slice(page * size, (page + 1) * size).flatMap(rowsOf));
      const all = data.rows.length;
      const what = spec.many || name;
      status.textContent = matches.length === all ? `${grouped(all)} ${all === 1 ? what.replace(/s$/, "") : what}` : `${grouped(matches.length)} of ${grouped(all)} ${what}`;
      const step = (text, to) => el("button", { type: "button", disabled: to < 0 || to >= pages || to === page,
        onclick: () => { page = to; draw(); root.scrollIntoView({ block: "nearest" }); } }, text);
      pager.hidden = pages === 1;
      pager.replaceChildren(step("First", 0), step("Previous", page - 1),
        el("span", {}, `Page ${grouped(page + 1)} of ${grouped(pages)}`), step("Next", page + 1), step("Last", pages - 1));
    };

    const controls = new Map();
    // The address says what is chosen, such as #findings?check=writer&kind=gap.
    const keep = () => {
      const query = new URLSearchParams();
      for (const [text, names, column] of spec.filters) if (chosen.has(column)) query.set(text.toLowerCase(), data[names][chosen.get(column)]);
      history.replaceState(null, "", chosen.size ? `#${name}?${query}` : "#" + root.closest("section").id);
    };
    const choose = () => {
      const [anchor, query] = location.hash.slice(1).split("?");
      if (anchor !== name || query === undefined) return;
      chosen.clear();
      needle = search.value = "";
      for (const [key, value] of new URLSearchParams(query)) {
        const [, names, column] = spec.filters.find(([text]) => text.toLowerCase() === key) || [];
        if (names && data[names].includes(value)) chosen.set(column, data[names].indexOf(value));
      }
      for (const [column, control] of controls) control.value = chosen.has(column) ? chosen.get(column) : "";
      refilter();
      for (let node = root.closest("details"); node; node = node.parentElement.closest("details")) node.open = true;
      root.scrollIntoView();
    };
    const select = ([text, names, column]) => {
      const counts = new Map();
      for (const row of data.rows) counts.set(row[column], (counts.get(row[column]) || 0) + 1);
      const options = data[names].map((label, code) => [label, code]).filter(([, code]) => counts.has(code));
      if (options.length < 2) return null;
      const control = el("select", { onchange: () => {
        if (control.value === "") chosen.delete(column); else chosen.set(column, Number(control.value));
        refilter();
        keep();
      } }, el("option", { value: "" }, "all"),
      ...options.map(([label, code]) => el("option", { value: code }, `${words(label)} (${grouped(counts.get(code))})`)));
      controls.set(column, control);
      return el("label", {}, text, control);
    };
    const search = el("input", { type: "search", autocomplete: "off", spellcheck: "false",
      oninput: () => { needle = search.value.trim().toLowerCase(); refilter(); } });

    // A link such as #difference-1234 opens that row, whatever is filtered.
    const follow = () => {
      const found = new RegExp(`^#${spec.one}-(\\d+)$`).exec(location.hash);
      const at = found ? Number(found[1]) - data.first : -1;
      if (at < 0 || at >= data.rows.length) return;
      if (!matches.includes(at)) {
        chosen.clear();
        folds = false;
        needle = search.value = "";
        for (const control of root.querySelectorAll("select")) control.value = "";
        refilter();
      }
      page = Math.floor(matches.indexOf(at) / PAGE);
      if (spec.detail) { open.clear(); open.add(at); opened(at); }
      draw();
      const row = document.getElementById(`${spec.one}-${data.first + at}`);
      for (let node = row.closest("details"); node; node = node.parentElement.closest("details")) node.open = true;
      row.scrollIntoView({ block: "center" });
      const button = row.querySelector("button");
      if (button) button.focus();
    };

    root.append(
      el("div", { class: "filters", role: "search", "aria-label": "Filter " + name }, ...spec.filters.map(select),
        el("label", { class: "search" }, "Text", search),
        ...(spec.record ? [["CSV", "text/csv", csv], ["JSON", "application/json", (records) => JSON.stringify(records, null, 1) + "\n"]].map(([text, type, write]) =>
          el("button", { type: "button", "aria-label": `Save these ${name} as ${text}`,
            onclick: () => save(`${name}.${text.toLowerCase()}`, type, write(matches.map((at) => spec.record(data, data.rows[at])))) }, text)) : [])),
      status,
      el("div", { class: "scroll" }, el("table", {}, el("caption", {}, spec.caption),
        el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text)))), body)),
      unfold, pager);
    refilter();
    follow();
    choose();
    window.addEventListener("hashchange", follow);
    window.addEventListener("hashchange", choose);
    // The browser's own jump to the anchor, after this, takes the focus away.
    window.addEventListener("load", () => setTimeout(follow));

    // Paper has no pages to turn: print what is filtered, up to a limit that is told, and the
    // evidence of the first differences with them.
    let before = null;
    window.addEventListener("beforeprint", () => {
      before = [page, new Set(open)];
      [page, size] = [0, spec.printed || PRINTED];
      const shown = Math.min(matches.length, size);
      if (spec.one === "difference") for (const at of matches.slice(0, EVIDENCE_PRINTED)) open.add(at);
      draw();
      if (matches.length > shown) status.textContent += `, of which ${grouped(shown)} are printed`;
      if (spec.one === "difference" && shown > EVIDENCE_PRINTED) status.textContent += `, the first ${EVIDENCE_PRINTED} with their evidence`;
    });
    window.addEventListener("afterprint", () => {
      // A table that was made for the paper alone was not changed for it.
      if (!before) return;
      open.clear();
      for (const at of before[1]) open.add(at);
      [page, size] = [before[0], PAGE];
      draw();
    });
  };

  window.KlineReport = { el, shape, grouped, words, utc, sides, sentenceOf };
  document.documentElement.classList.add("scripted");
  const parsed = new Map();
  window.KlineReport.block = (name) => {
    const node = document.getElementById("data-" + name);
    if (!parsed.has(name)) parsed.set(name, node && JSON.parse(node.textContent));
    return parsed.get(name);
  };
  if (window.KlineMoments) window.KlineMoments(window.KlineReport);

  // A table in a folded part is made when that is opened, by hand or by a link to one of its rows.
  const waiting = new Map();
  const make = (root) => {
    if (waiting.delete(root)) view(root, root.dataset.viewer);
  };
  const linked = () => {
    for (const root of [...waiting.keys()]) {
      const { viewer } = root.dataset;
      if (location.hash.startsWith(`#${SPECS[viewer].one}-`) || location.hash.startsWith(`#${viewer}?`)) make(root);
    }
  };
  for (const root of document.querySelectorAll("[data-viewer]")) {
    const folded = root.closest("details:not([open])");
    waiting.set(root, folded);
    if (folded) folded.addEventListener("toggle", () => make(root)); else make(root);
  }
  // A row of another page is reached by its number on this one.
  const elsewhere = () => {
    const [, one, number] = /^#([a-z]+)-(\d+)$/.exec(location.hash) || [];
    const link = [...document.querySelectorAll("a[data-first]")].find(({ dataset, parentElement }) => number && Number(dataset.first) <= Number(number)
      && Number(number) <= Number(dataset.last) && SPECS[parentElement.closest("[data-viewer]").dataset.viewer].one === one);
    if (link) location.replace(link.getAttribute("href") + location.hash);
  };
  for (const follow of [linked, elsewhere]) {
    follow();
    window.addEventListener("hashchange", follow);
  }

  // A table as it stands on the page, with a search, choices by column, and an order by any column.
  const sortable = (root) => {
    const body = root.querySelector("tbody"), heads = [...root.querySelectorAll("thead th")];
    const rows = [...body.rows], chosen = new Map();
    const value = (row, at) => row.cells[at].textContent.trim();
    const status = el("p", { class: "status", role: "status" });
    const search = el("input", { type: "search", autocomplete: "off", oninput: () => refilter() });
    const refilter = () => {
      const needle = search.value.trim().toLowerCase();
      for (const row of rows) {
        row.hidden = !row.textContent.toLowerCase().includes(needle) || [...chosen].some(([at, text]) => text && value(row, at) !== text);
      }
      status.textContent = `${grouped(rows.filter((row) => !row.hidden).length)} of ${grouped(rows.length)} runs`;
    };
    const compare = (left, right) => {
      const numbers = [left, right].map((text) => Number(text.replaceAll(",", "")));
      return left && right && !numbers.some(Number.isNaN) ? numbers[0] - numbers[1] : left < right ? -1 : left > right ? 1 : 0;
    };
    heads.forEach((head, at) => {
      const button = el("button", { type: "button", class: "order", onclick: () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const sign = down ? -1 : 1;
        body.append(...rows.sort((left, right) => sign * compare(value(left, at), value(right, at))));
      } }, head.textContent);
      head.replaceChildren(button);
    });
    const choices = heads.map((head, at) => {
      const texts = "choose" in head.dataset ? [...new Set(rows.map((row) => value(row, at)))].sort() : [];
      if (texts.length < 2) return null;
      const control = el("select", { onchange: () => { chosen.set(at, control.value); refilter(); } },
        el("option", { value: "" }, "all"), ...texts.filter(Boolean).map((text) => el("option", { value: text }, text)));
      return el("label", {}, head.textContent, control);
    });
    root.prepend(el("div", { class: "filters", role: "search", "aria-label": "Filter runs" }, ...choices,
      el("label", { class: "search" }, "Text", search)), status);
    refilter();
  };
  for (const root of document.querySelectorAll("[data-sortable]")) sortable(root);

  for (const grid of document.querySelectorAll(".scroll > table:has(> thead)")) {
    if (!grid.closest(".viewer") && !grid.classList.contains("fold")) fold(grid, [...grid.tHead.rows[0].cells].map((head) => head.textContent));
  }

  // A link into a folded part opens it.
  const unfold = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    let folded = false;
    for (let node = target && target.closest("details"); node; node = node.parentElement.closest("details")) { folded = folded || !node.open; node.open = true; }
    if (folded) target.scrollIntoView({ block: "center" });
  };
  unfold();
  window.addEventListener("hashchange", unfold);

  // A box that scrolls must be reachable by keyboard; one that does not must not be a stop.
  const reach = () => {
    for (const box of document.querySelectorAll(".scroll")) {
      if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0; else box.removeAttribute("tabindex");
    }
  };
  reach();
  new ResizeObserver(reach).observe(document.body);

  // On paper folded parts are open; a table of more than a page that nobody opened stays out.
  const closed = new Set();
  window.addEventListener("beforeprint", () => {
    for (const root of [...waiting.keys()]) if (window.KlineReport.block(root.dataset.viewer).rows.length <= PAGE) make(root);
    const unprinted = new Set(waiting.values());
    for (const node of document.querySelectorAll("details:not([open])")) if (!unprinted.has(node) && !("long" in node.dataset)) { closed.add(node); node.open = true; }
  });
  window.addEventListener("afterprint", () => {
    for (const node of closed) node.open = false;
    closed.clear();
  });
})();
