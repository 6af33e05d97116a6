"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const LISTED = 60;
  const AGAIN_MS = 500;
  const NAME = Math.random().toString(36).slice(2);
  const at = (id) => document.getElementById(id);

  // Everything is set as text or attribute, never as markup: names are data.
  const el = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null));
    return node;
  };
  const shape = (tag, attributes, text) => {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text) { const title = document.createElementNS(SVG, "title"); title.textContent = text; node.append(title); }
    return node;
  };
  const grouped = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, ",");
  const words = (name) => String(name).replaceAll("_", " ");
  const utc = (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " ");
  const setText = (id, text) => { if (at(id).textContent !== text) at(id).textContent = text; };

  let socket = null, hello = null, chart = null, clock = null, strip = null, cursor = null;
  let view = { symbol: "", interval: "", newest: true }, over = false;
  let epoch = -1, listed = LISTED;
  const found = new Map();

  const ask = (message) => { if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message)); };
  const choose = (symbol, interval, ms = null) => ask({ do: "choose", symbol, interval, at_ms: ms });

  // A candle of the series that is shown, or of another, or of another time: fetched where it is not here.
  const goTo = (ms, symbol = view.symbol, interval = view.interval) => {
    look(ms);
    if (symbol === view.symbol && interval === view.interval && chart && chart.holds(ms / 1000)) chart.scrollTo(Math.floor(ms / 1000));
    else choose(symbol, interval, ms);
  };

  const begin = (message) => {
    hello = message;
    found.clear();
    epoch = -1;
    if (chart) chart.destroy();
    chart = window.KlineCandles.create(at("candles"), {
      intervals: message.intervals,
      other: message.other,
      onInterval: (interval) => choose(view.symbol, interval, view.newest ? null : cursor),
      onSelect: (time) => look(time * 1000),
      onNewest: () => { look(null); if (!view.newest) choose(view.symbol, view.interval); return !view.newest; },
    });
    at("symbols").replaceChildren(...message.symbols.map((name) => el("option", { value: name })));
    const changed = message.changed.length ? `; other than the defaults: ${message.changed.map(words).join(", ")}` : "";
    setText("what", `kline-harness, live: ${message.aggregator}, ${grouped(message.symbols.length)} ${message.symbols.length === 1 ? "symbol" : "symbols"}, audit ${message.audit}${changed}`);
    // Who comes again goes on with what was looked at.
    if (message.symbols.includes(view.symbol) && message.intervals.includes(view.interval)) choose(view.symbol, view.interval);
    if (cursor !== null) look(cursor);
    tell(message.dropped ? "This page read nothing for a while and was disconnected; it has caught up." : "");
  };
  const tell = (text) => { at("notice").hidden = !text; setText("notice", text); };

  const PHASES = { running: "Running", checking: "Checking", over: "Over" };
  const showClock = (frame) => {
    clock = frame.clock;
    over = clock.phase === "over";
    const running = clock.phase === "running";
    const phase = frame.verdict ? frame.verdict.verdict : running && clock.held ? "Held" : running && clock.seeking ? `Running to the next ${clock.seeking}` : PHASES[clock.phase];
    setText("phase", phase.charAt(0).toUpperCase() + phase.slice(1));
    setText("now", clock.now);
    at("head").className = `verdict ${frame.verdict ? frame.verdict.verdict : ""}`;
    document.title = `${at("phase").textContent} ${clock.now} · kline-harness`;
    setText("pause", clock.held ? "Resume" : "Pause");
    for (const id of ["pause", "step", "finding", "speed"]) at(id).disabled = !running || (clock.follows && (id === "finding" || id === "speed"));
    at("store").hidden = !clock.store;
    setText("store", clock.store);
    if (document.activeElement !== at("speed")) {
      if (![...at("speed").options].some((option) => option.value === clock.speed)) at("speed").append(el("option", { value: clock.speed }, `${grouped(clock.speed)} ×`));
      at("speed").value = clock.speed;
    }
    at("end").hidden = !over;
    at("report").hidden = !(frame.verdict && frame.verdict.report);
    at("sentence").hidden = !frame.verdict;
    if (frame.verdict) setText("sentence", frame.verdict.sentence);
  };

  const showFigures = ({ counts, pages }) => {
    const figures = [["trades given", counts.given], ["ticks", counts.tick], ["finals published", counts.finals], ["lifecycle events", counts.events], [pages === 1 ? "page open" : "pages open", pages]];
    at("figures").replaceChildren(...figures.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", { "data-figure": name }, grouped(value || 0)))));
  };

  const showConsumers = ({ consumers, writer }) => {
    const number = (value, bad) => el("td", { class: bad && value ? "number bad" : "number" }, value === null ? "–" : grouped(value));
    at("consumers").replaceChildren(...consumers.map((one) => el("tr", { "data-consumer": one.name },
      el("th", { scope: "row" }, words(one.name)), el("td", {}, one.channel), number(one.delivered), number(one.waiting), number(one.peak),
      number(one.lost, true), number(one.dead, true), el("td", { class: "number" }, one.behind_ms === null ? "–" : `${grouped(Math.round(one.behind_ms / 1000))} s`))));
    const last = writer.last ? `, the last of ${grouped(writer.last[1])} klines at ${writer.last[0]}` : "";
    setText("writer", `The writer flushed ${grouped(writer.flushes)} times${last}; ${grouped(writer.written)} klines are on disk in ${grouped(writer.parts)} files, ${grouped(writer.dropped)} were dropped.`);
  };

  const showLedger = ({ ledger, as_of }) => at("ledger").replaceChildren(...ledger.map((line) => {
    const parts = Object.entries(line.parts).filter(([, count]) => count).map(([name, count]) => `${grouped(count)} ${words(name)}`).join(" + ");
    const left = line.left === 0 ? el("span", { class: "state identical" }, "balanced")
      : el("span", { class: (over && !as_of) || line.left < 0 ? "state unexplained" : "state quiet" }, (over && !as_of) || line.left < 0 ? `off by ${grouped(line.left)}` : `${grouped(line.left)} on the way`);
    return el("tr", {}, el("th", { scope: "row" }, line.law), el("td", {}, words(line.subject)), el("td", { class: "number" }, grouped(line.total)), el("td", {}, parts || "0"), el("td", {}, left));
  }));

  // What has a past says of when it is.
  const showMoment = ({ as_of }) => {
    for (const note of document.querySelectorAll(".as-of")) {
      note.hidden = !as_of;
      const text = as_of ? `As it was at ${as_of}; Newest shows the present.` : "";
      if (note.textContent !== text) note.textContent = text;
    }
  };

  // The picture is made by the server, of numbers and names of its own.
  const showLife = (svg) => {
    at("no-life").hidden = Boolean(svg);
    if (!svg) { at("life").replaceChildren(); return; }
    const drawn = new DOMParser().parseFromString(svg.replace("<svg ", `<svg xmlns="${SVG}" `), "image/svg+xml").documentElement;
    at("life").replaceChildren(document.importNode(drawn, true));
  };

  // ---- findings ----
  const filters = () => ({ severity: at("severity").value, check: at("check").value, text: at("text").value.trim().toLowerCase() });
  const matches = (one, { severity, check, text }) => (!severity || one.severity === severity) && (!check || one.check === check) && (!text || `${one.text} ${one.kind}`.toLowerCase().includes(text));
  const newestFirst = () => [...found.values()].sort((left, right) => right.number - left.number);
  const item = (one) => {
    const place = one.open_s === null ? one.at_ms : one.open_s * 1000;
    const go = () => goTo(place, one.symbol || view.symbol, one.interval && hello.intervals.includes(one.interval) ? one.interval : view.interval);
    const text = el("span", {}, el("strong", {}, `${words(one.kind)} (${words(one.check)})`), ` ${one.text}${one.gone ? " (seen since)" : ""}`);
    return el("li", { class: one.gone ? "gone" : null, "data-at": one.at_ms }, el("span", { class: `state ${one.severity}` }, one.severity),
      place === null ? text : el("button", { type: "button", class: "found", onclick: go }, text), el("span", { class: "time" }, one.at_ms === null ? "" : utc(one.at_ms)));
  };
  const listFindings = () => {
    const chosen = filters(), fitting = newestFirst().filter((one) => matches(one, chosen));
    const more = fitting.length > listed ? [el("li", {}, el("button", { type: "button", onclick: () => { listed += LISTED; listFindings(); } }, `Show more of ${grouped(fitting.length)}`))] : [];
    const active = document.activeElement, kept = active && at("findings").contains(active) ? active.textContent : null;
    at("findings").replaceChildren(...fitting.slice(0, listed).map(item), ...more);
    if (kept !== null) { const again = [...at("findings").querySelectorAll("button")].find((one) => one.textContent === kept); if (again) again.focus(); }
  };
  const showFindings = ({ epoch: now, changed, kinds }) => {
    const fresh = now !== epoch;
    if (fresh) { found.clear(); epoch = now; }
    for (const one of changed) found.set(`${one.check} ${one.kind} ${one.symbol} ${one.interval} ${one.open_s} ${one.at_ms} ${one.text}`, one);
    if (!changed.length && !fresh) return;
    const total = kinds.reduce((sum, [, , , count]) => sum + count, 0);
    const by = ["error", "doubt", "notice"].map((severity) => [severity, kinds.filter((one) => one[2] === severity).reduce((sum, one) => sum + one[3], 0)]).filter(([, count]) => count);
    setText("count", total ? `${grouped(total)} ${total === 1 ? "finding" : "findings"}: ${by.map(([severity, count]) => `${grouped(count)} ${severity}`).join(", ")}` : "No findings");
    const checks = [...new Set(kinds.map(([check]) => check))].sort();
    const known = [...at("check").options].slice(1).map((option) => option.value);
    if (checks.join() !== known.join()) {
      const kept = at("check").value;
      at("check").replaceChildren(el("option", { value: "" }, "all"), ...checks.map((name) => el("option", { value: name }, words(name))));
      at("check").value = checks.includes(kept) ? kept : "";
    }
    listFindings();
  };

  // ---- candles ----
  const showSeries = (series) => {
    if (!series) return;
    if (series.symbol !== undefined) {
      view = { symbol: series.symbol, interval: series.interval, newest: series.newest };
      if (document.activeElement !== at("symbol")) at("symbol").value = series.symbol;
      chart.setSeries({ name: series.symbol, interval: series.interval, ours: series.forming ? [...series.ours, series.forming] : series.ours, theirs: series.theirs, markers: series.marks });
      if (series.at !== null) chart.scrollTo(series.at);
      setText("shown", (series.compared ? `Solid is ${clock.follows ? "the exact kline of the trades that were served" : "ours"}; hollow in grey is the ${hello.other} where a price differs or ours is not there. ` : clock.follows ? "The store has no row of this series yet. " : "The exchange's klines of this series were not given. ") +
        "A kline that is forming has a pale body: it is what the trades given so far make." + (series.newest ? "" : " These candles are of an earlier time; Newest shows the last."));
      return;
    }
    if (view.newest) {
      for (const row of series.theirs) chart.update("theirs", row);
      for (const row of series.ours) chart.update("ours", row);
      if (series.forming) chart.update("ours", series.forming);
    }
    if (series.marks) chart.setMarkers(series.marks);
  };

  // ---- the strip of time ----
  const WIDTH = 1000, HEIGHT = 84, BASE = 66;
  const SEVERITIES = { error: "--unexplained", doubt: "--extra", notice: "--identical" };
  const place = (ms) => Math.min(1, Math.max(0, (ms - strip.from_ms) / (strip.to_ms - strip.from_ms || 1))) * WIDTH;
  const drawStrip = () => {
    if (!strip) return;
    const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" });
    for (const [name, from, to] of strip.shades) svg.append(shape("rect", { x: place(from), y: 0, width: Math.max(2, place(to) - place(from)), height: HEIGHT, fill: "var(--shade)" }, name));
    const most = Math.max(1, ...strip.bins), wide = strip.bin_ms / (strip.to_ms - strip.from_ms || 1) * WIDTH;
    const bars = strip.bins.map((count, index) => count ? `M${(index * wide).toFixed(1)} ${BASE}v${(-Math.max(1.5, count / most * (BASE - 6))).toFixed(1)}h${Math.max(1, wide * 0.85).toFixed(1)}V${BASE}z` : "").join("");
    svg.append(shape("path", { d: bars, fill: "var(--area)" }));
    for (const [ms, severity, count] of strip.events) svg.append(shape("rect", { x: place(ms) - 2, y: BASE + 3, width: 4, height: 12, fill: `var(${SEVERITIES[severity]})` }, `${count} ${severity} at ${utc(ms)}`));
    if (clock) svg.append(shape("rect", { x: place(clock.now_ms) - 1, y: 0, width: 2, height: HEIGHT, fill: "var(--ink)" }, "now"));
    if (cursor !== null) svg.append(shape("rect", { x: place(cursor) - 1.5, y: 0, width: 3, height: HEIGHT, fill: "var(--accent)" }, "chosen"));
    at("strip").replaceChildren(svg);
    const steps = Math.round((strip.to_ms - strip.from_ms) / strip.bin_ms), shown = cursor === null ? clock.now_ms : cursor;
    const near = strip.events.filter(([ms]) => Math.abs(ms - shown) <= strip.bin_ms).map(([, severity, count]) => `${count} ${severity}`);
    const shades = strip.shades.filter(([, from, to]) => shown >= from && shown <= to).map(([name]) => name);
    for (const [name, value] of [["max", steps], ["now", Math.round((shown - strip.from_ms) / strip.bin_ms)], ["text", [utc(shown), ...shades, ...near].join(", ")]]) at("strip").setAttribute(`aria-value${name}`, value);
    const told = strip.shades.map(([name, from, to]) => `${name}: ${utc(from)} to ${utc(to)}`);
    if (at("shades").textContent !== told.join("")) at("shades").replaceChildren(...told.map((text) => el("li", { class: "state shade" }, text)));
  };
  const look = (ms) => { cursor = ms; ask({ do: "look", at_ms: ms }); drawStrip(); };
  // The finding nearest to a time is brought into view.
  const bring = (ms) => {
    const items = [...at("findings").querySelectorAll("li[data-at]")];
    const nearest = items.reduce((best, one) => (best === null || Math.abs(one.dataset.at - ms) < Math.abs(best.dataset.at - ms) ? one : best), null);
    for (const one of items) one.removeAttribute("aria-current");
    if (nearest) { nearest.setAttribute("aria-current", "true"); at("findings").scrollTop = nearest.offsetTop - at("findings").offsetTop; }
  };
  const jump = (ms) => { goTo(ms); bring(ms); };
  at("strip").addEventListener("click", (event) => {
    if (!strip) return;
    const box = at("strip").getBoundingClientRect();
    jump(strip.from_ms + (event.clientX - box.left) / box.width * (strip.to_ms - strip.from_ms));
  });
  at("strip").addEventListener("keydown", (event) => {
    if (!strip) return;
    const from = cursor === null ? clock.now_ms : cursor, far = strip.bin_ms * 10;
    const target = { ArrowLeft: from - strip.bin_ms, ArrowRight: from + strip.bin_ms, PageUp: from - far, PageDown: from + far, Home: strip.from_ms, End: clock.now_ms }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    jump(Math.min(strip.to_ms, Math.max(strip.from_ms, target)));
  });

  const show = (frame) => {
    showClock(frame);
    showFigures(frame);
    if (frame.ledger) { showConsumers(frame); showLedger(frame); showMoment(frame); showLife(frame.life); }
    showFindings(frame.findings);
    showSeries(frame.series);
    if (frame.strip) strip = frame.strip;
    drawStrip();
    reach();
  };

  // A box that scrolls must be reachable by keyboard; one that does not must not be a stop.
  const reach = () => {
    for (const box of document.querySelectorAll(".scroll, .live-findings")) {
      const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
      if (scrolls) box.tabIndex = 0; else box.removeAttribute("tabindex");
    }
  };

  const connect = () => {
    socket = new WebSocket(`ws://${location.host}/socket?page=${NAME}`);
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "hello") begin(message); else show(message);
    };
    socket.onclose = () => {
      if (over) { tell("The watch is over: this page stays as it was."); if (!closed()) setTimeout(connect, 4 * AGAIN_MS); return; }
      setText("phase", "Not connected");
      tell("Not connected: trying again.");
      setTimeout(connect, AGAIN_MS);
    };
  };
  const closed = () => at("end").dataset.asked === "true";

  at("pause").addEventListener("click", () => ask({ do: clock && clock.held ? "resume" : "pause" }));
  at("step").addEventListener("click", () => ask({ do: "step" }));
  at("finding").addEventListener("click", () => ask({ do: "finding" }));
  at("end").addEventListener("click", () => { at("end").dataset.asked = "true"; ask({ do: "end" }); });
  at("speed").addEventListener("change", () => ask({ do: "speed", value: at("speed").value === "max" ? "max" : Number(at("speed").value) }));
  at("symbol").addEventListener("change", () => {
    const name = at("symbol").value.trim().toUpperCase(), known = hello && hello.symbols.find((one) => one.toUpperCase() === name);
    at("symbol").setAttribute("aria-invalid", String(!known));
    if (known) choose(known, view.interval, view.newest ? null : cursor);
  });
  for (const id of ["severity", "check", "text"]) at(id).addEventListener("input", () => { listed = LISTED; listFindings(); });
  new ResizeObserver(reach).observe(document.body);
  connect();
})();
