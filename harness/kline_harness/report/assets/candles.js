"use strict";
// Candles of one symbol and interval, ours and another side's: one component, used by every page.
//
// KlineCandles.create(root, options) fills an element and returns what drives it:
//   setSeries({ name, interval, ours, theirs, markers })   replaces everything
//   update(side, row)              side is "ours" or "theirs": a new candle, or one that changed
//   setMarkers(markers)            replaces the markers
//   scrollTo(time)                 shows a candle in the middle and selects it
//   holds(time)                    tells whether a time is among the candles here
//   destroy()
// options: intervals (their names), other (who the other side is, "exchange's" where left out),
// onInterval(name), onSelect(time); onNewest() is asked before the newest candle is shown, and says
// true where it shows it by itself.
//
// A row is [time, open, high, low, close, volume, trades, final]: time in whole seconds, decimals as
// text (they are shown as they are; floats of them place ink and nothing else), null for what a
// side does not have, final 1, or 0 for a kline that is forming.
// A marker is { time, kind, text }; kinds are those of MARKS.
window.KlineCandles = (() => {
  const FIELDS = ["open", "high", "low", "close", "volume", "trades"];
  const STEPS = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
  // More empty places than this are not drawn: what is after them stands beside what was before.
  const EMPTY_MAX = 3000;
  const SHOWN = 160;
  const FEW = 60;
  const NEAREST = 6;
  const FAR = 400;
  const MARKS = {
    gap: ["aboveBar", "square", "--missing", "gap"],
    late: ["aboveBar", "arrowDown", "--extra", "late trade"],
    unexplained: ["belowBar", "circle", "--unexplained", "unexplained difference"],
    consistent: ["belowBar", "circle", "--consistent", "consistent difference"],
    proved: ["belowBar", "circle", "--proved", "proved difference"],
    missing: ["belowBar", "square", "--missing", "missing kline"],
    extra: ["belowBar", "square", "--extra", "extra kline"],
    finding: ["belowBar", "arrowUp", "--invalid", "finding"],
  };

  const el = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== null) node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  };
  const utc = (time) => new Date(time * 1000).toISOString().slice(0, 19).replace("T", " ");
  const plain = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  const same = (left, right) => left === right || plain(String(left)) === plain(String(right));
  const priced = (row) => row.slice(1, 5).every((text) => text !== null);
  const differs = (ours, theirs) => [1, 2, 3, 4].some((at) => !same(ours[at], theirs[at]));
  const places = (rows) => rows.reduce((most, row) =>
    Math.max(most, ...row.slice(1, 5).map((text) => (plain(String(text)).split(".")[1] || "").length)), 0);
  const step = (interval) => (STEPS[interval.slice(-1)] || 0) * Number(interval.slice(0, -1)) || 0;

  // Where there is no candle, an empty place keeps time in proportion.
  const withEmpty = (rows, times, every) => {
    const found = [];
    for (let at = 0; at < times.length; at += 1) {
      const before = times[at - 1], missing = at && every ? (times[at] - before) / every - 1 : 0;
      for (let place = 1; missing <= EMPTY_MAX && place <= missing; place += 1) found.push({ time: before + place * every });
      found.push(rows.get(times[at]) || { time: times[at] });
    }
    return found;
  };

  const palette = (root) => {
    const style = getComputedStyle(root);
    return (name) => style.getPropertyValue(name).trim();
  };

  const create = (root, options = {}) => {
    const library = window.LightweightCharts;
    const sides = { ours: new Map(), theirs: new Map() };
    let name = "", interval = "", markers = [], times = [], chosen = null, color = palette(root), planned = 0, telling = 0;

    const picture = el("div", { class: "candles-picture", tabindex: "0", role: "slider", "aria-label": "Candles" });
    const values = el("div", { class: "candles-values scroll" });
    const choice = el("select", { onchange: () => options.onInterval && options.onInterval(choice.value) },
      ...(options.intervals || []).map((text) => el("option", { value: text }, text)));
    const button = (text, label, act) => el("button", { type: "button", "aria-label": label, onclick: act }, text);
    const bar = el("div", { class: "candles-bar" },
      ...(options.intervals && options.intervals.length > 1 ? [el("label", {}, "Interval ", choice)] : []),
      button("+", "Zoom in", () => zoom(0.6)), button("−", "Zoom out", () => zoom(1.7)),
      button("All", "Show all candles", () => chart.timeScale().fitContent()),
      button("Newest", "Show the newest candle", () => { if (options.onNewest && options.onNewest()) return; select(null); newest(); }));
    root.replaceChildren(bar, picture, values, el("p", { class: "note" }, "Candles: TradingView Lightweight Charts™, Copyright (c) 2025 ",
      el("a", { href: "https://www.tradingview.com/", rel: "noreferrer" }, "TradingView, Inc."), " (Apache-2.0)"));

    const chart = library.createChart(picture, {
      autoSize: true,
      // Its logo brings a style of its own, which a page with a strict policy refuses; the line below
      // the chart is the attribution.
      layout: { attributionLogo: false },
      localization: { locale: "en-GB", timeFormatter: utc },
      timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 2 },
      crosshair: { mode: library.CrosshairMode.Normal },
      // The wheel scrolls the page until the chart has the focus.
      handleScroll: { mouseWheel: false, vertTouchDrag: false },
      handleScale: { mouseWheel: false },
    });
    const quiet = { lastValueVisible: false, priceLineVisible: false };
    const drawn = {
      ours: chart.addSeries(library.CandlestickSeries, { ...quiet, lastValueVisible: true }),
      theirs: chart.addSeries(library.CandlestickSeries, quiet),
      // Holds the markers of times without a candle of ours; nothing of it is drawn.
      empty: chart.addSeries(library.LineSeries, { ...quiet, lineVisible: false, pointMarkersVisible: false, crosshairMarkerVisible: false }),
      volume: chart.addSeries(library.HistogramSeries, { ...quiet, priceFormat: { type: "volume" } }, 1),
    };
    chart.panes()[0].setStretchFactor(4);
    chart.panes()[1].setStretchFactor(1);
    const marks = { ours: library.createSeriesMarkers(drawn.ours, []), empty: library.createSeriesMarkers(drawn.empty, []) };

    const paint = () => {
      color = palette(root);
      chart.applyOptions({
        layout: { background: { color: color("--paper") }, textColor: color("--muted"),
          fontFamily: getComputedStyle(root).fontFamily, panes: { separatorColor: color("--line") } },
        grid: { vertLines: { color: color("--grid") }, horzLines: { color: color("--grid") } },
        timeScale: { borderColor: color("--line") }, rightPriceScale: { borderColor: color("--line") },
      });
      const [up, down, theirs] = [color("--up"), color("--down"), color("--theirs")];
      drawn.ours.applyOptions({ upColor: up, downColor: down, borderUpColor: up, borderDownColor: down, wickUpColor: up, wickDownColor: down });
      const none = "rgba(0, 0, 0, 0)";
      drawn.theirs.applyOptions({ upColor: none, downColor: none, borderUpColor: theirs, borderDownColor: theirs, wickUpColor: theirs, wickDownColor: theirs });
      redraw();
    };

    const bar_of = ([time, open, high, low, close, , , final]) => {
      const found = { time, open: Number(open), high: Number(high), low: Number(low), close: Number(close) };
      // A kline that is forming is hollow.
      return final ? found : { ...found, color: color("--soft") };
    };
    const volume_of = ([time, open, , , close, volume, , final]) => ({
      time, value: Number(volume), color: color(final ? (Number(close) >= Number(open) ? "--up" : "--down") : "--line"),
    });
    // The other side is drawn, over ours, where a price differs or ours is not there.
    const theirs_of = (row) => {
      const ours = sides.ours.get(row[0]);
      return priced(row) && (!ours || differs(ours, row)) ? bar_of([...row.slice(0, 7), 1]) : { time: row[0] };
    };

    const redraw = () => {
      cancelAnimationFrame(planned);
      planned = 0;
      const { ours, theirs } = sides, made = (rows, make) => new Map([...rows].map(([time, row]) => [time, make(row)]));
      times = [...new Set([...ours.keys(), ...theirs.keys()])].sort((left, right) => left - right);
      const precision = Math.min(8, Math.max(places([...ours.values()]), places([...theirs.values()])));
      const priceFormat = { type: "price", precision, minMove: 10 ** -precision };
      drawn.ours.applyOptions({ priceFormat });
      drawn.theirs.applyOptions({ priceFormat });
      drawn.ours.setData(withEmpty(made(ours, (row) => (priced(row) ? bar_of(row) : { time: row[0] })), times, step(interval)));
      drawn.theirs.setData([...made(theirs, theirs_of).values()].sort((left, right) => left.time - right.time));
      drawn.volume.setData([...ours.values()].filter((row) => row[5] !== null).map(volume_of).sort((left, right) => left.time - right.time));
      mark();
      tell();
    };
    const soon = () => { planned = planned || requestAnimationFrame(redraw); };

    // A mark where there is no candle of ours stands at the price before it.
    const mark = () => {
      let at = 0, price = 0;
      const placed = { ours: [], empty: [] }, points = new Map(), last = times[times.length - 1];
      for (const { time, kind } of [...markers].sort((left, right) => left.time - right.time)) {
        for (; at < times.length && times[at] <= time; at += 1) {
          const row = sides.ours.get(times[at]) || sides.theirs.get(times[at]);
          if (priced(row)) price = Number(row[4]);
        }
        if (!(time >= times[0] && time <= last)) continue;
        const [position, shape, tone] = MARKS[kind] || MARKS.finding, row = sides.ours.get(time);
        const side = row && priced(row) ? "ours" : "empty";
        if (side === "empty") points.set(time, { time, value: price });
        placed[side].push({ time, position: side === "empty" ? "inBar" : position, shape, color: color(tone) });
      }
      drawn.empty.setData([...points.values()]);
      marks.ours.setMarkers(placed.ours);
      marks.empty.setMarkers(placed.empty);
    };

    const newest = () => {
      if (!times.length) return;
      const last = chart.timeScale().timeToIndex(times[times.length - 1], true);
      if (last === null) return;
      // A few stand in the middle, as wide as many would be.
      const spare = Math.max(0, FEW - last) / 2;
      chart.timeScale().setVisibleLogicalRange({ from: spare ? -spare : Math.max(last - SHOWN, -1), to: last + 3 + spare });
    };
    const zoom = (factor) => {
      const range = chart.timeScale().getVisibleLogicalRange();
      if (range === null) return;
      const middle = (range.from + range.to) / 2, half = Math.max(NEAREST, (range.to - range.from) * factor / 2);
      chart.timeScale().setVisibleLogicalRange({ from: middle - half, to: middle + half });
    };

    // The values of one candle, both sides', exactly as they were given.
    const tell = (hovered = null) => {
      cancelAnimationFrame(telling);
      telling = 0;
      const time = hovered !== null ? hovered : chosen !== null ? chosen : times[times.length - 1];
      const index = times.indexOf(time);
      picture.setAttribute("aria-valuemin", "0");
      picture.setAttribute("aria-valuemax", String(Math.max(0, times.length - 1)));
      picture.setAttribute("aria-valuenow", String(Math.max(0, index)));
      picture.setAttribute("aria-label", `${name} ${interval}: ${times.length} klines; left and right choose one, plus and minus zoom`);
      if (time === undefined) { values.replaceChildren(); picture.setAttribute("aria-valuetext", "no kline"); return; }
      const rows = [["ours", sides.ours.get(time)], [options.other || "exchange's", sides.theirs.get(time)]];
      const here = markers.filter((one) => one.time === time).map((one) => `${(MARKS[one.kind] || MARKS.finding)[3]}${one.text ? ": " + one.text : ""}`);
      const state = rows[0][1] ? (rows[0][1][7] ? "final" : "forming") : "not published";
      const both = rows[0][1] && rows[1][1];
      const cell = (row, at) => {
        const text = row && row[at + 1] !== null ? String(row[at + 1]) : "–";
        const unlike = both && rows[0][1][at + 1] !== null && rows[1][1][at + 1] !== null && !same(rows[0][1][at + 1], rows[1][1][at + 1]);
        return el("td", { class: unlike ? "number differs" : "number", "data-head": FIELDS[at] }, text);
      };
      const shown = sides.theirs.size ? rows : rows.slice(0, 1);
      values.replaceChildren(el("table", { class: "fold" }, el("caption", {}, `${name} ${interval}, opened ${utc(time)} UTC, ${state}`),
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Side"), ...FIELDS.map((text) => el("th", { scope: "col", class: "number" }, text)))),
        el("tbody", {}, ...shown.map(([side, row]) => el("tr", {}, el("th", { scope: "row" }, side), ...FIELDS.map((_, at) => cell(row, at)))))),
      ...(here.length ? [el("p", { class: "bad" }, here.join("; "))] : []));
      reach();
      const said = shown.map(([side, row]) => `${side} ${row ? FIELDS.map((text, at) => `${text} ${row[at + 1]}`).join(", ") : "none"}`);
      picture.setAttribute("aria-valuetext", [`${utc(time)} ${state}`, ...said, ...here].join("; "));
    };

    // A box that scrolls must be reachable by keyboard; one that does not must not be a stop.
    const reach = () => { if (values.scrollWidth > values.clientWidth) values.tabIndex = 0; else values.removeAttribute("tabindex"); };
    const resized = new ResizeObserver(reach);
    resized.observe(values);

    const select = (time) => {
      chosen = time;
      if (time === null) chart.clearCrosshairPosition();
      else {
        const row = sides.ours.get(time) || sides.theirs.get(time);
        chart.setCrosshairPosition(row && priced(row) ? Number(row[4]) : 0, time, drawn.ours);
      }
      tell();
    };
    const center = (time) => {
      const index = chart.timeScale().timeToIndex(time, true), range = chart.timeScale().getVisibleLogicalRange();
      if (index === null) return;
      const half = range === null ? SHOWN / 2 : Math.min(FAR, Math.max(NEAREST, (range.to - range.from) / 2));
      chart.timeScale().setVisibleLogicalRange({ from: index - half, to: index + half });
    };
    const nearest = (time) => times.reduce((best, one) => (best === null || Math.abs(one - time) < Math.abs(best - time) ? one : best), null);
    const move = (by) => {
      const at = chosen === null ? times.length - 1 : times.indexOf(chosen);
      const time = times[Math.min(times.length - 1, Math.max(0, at + by))];
      if (time === undefined) return;
      const range = chart.timeScale().getVisibleLogicalRange(), index = chart.timeScale().timeToIndex(time, true);
      if (range === null || index < range.from || index > range.to) center(time);
      select(time);
      if (options.onSelect) options.onSelect(time);
    };

    const KEYS = { ArrowLeft: () => move(-1), ArrowRight: () => move(1), PageUp: () => move(-20), PageDown: () => move(20),
      Home: () => move(-times.length), End: () => move(times.length), "+": () => zoom(0.6), "-": () => zoom(1.7), Escape: () => select(null) };
    picture.addEventListener("keydown", (event) => {
      if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      KEYS[event.key]();
    });
    const wheel = (mouseWheel) => chart.applyOptions({ handleScroll: { mouseWheel }, handleScale: { mouseWheel } });
    picture.addEventListener("focus", () => wheel(true));
    picture.addEventListener("blur", () => wheel(false));
    chart.subscribeCrosshairMove(({ time, sourceEvent }) => { if (sourceEvent) tell(time === undefined ? null : time); });
    chart.subscribeClick(({ time }) => {
      if (time === undefined) return;
      select(time);
      if (options.onSelect) options.onSelect(time);
    });
    const looks = ["(prefers-color-scheme: dark)", "print"].map((query) => window.matchMedia(query));
    for (const look of looks) look.addEventListener("change", paint);

    const put = (side, rows) => { for (const row of rows || []) sides[side].set(row[0], row); };
    paint();
    return {
      setSeries(given) {
        ({ name = "", interval = "", markers = [] } = given);
        sides.ours.clear();
        sides.theirs.clear();
        put("ours", given.ours);
        put("theirs", given.theirs);
        chosen = null;
        if (choice.value !== interval) choice.value = interval;
        chart.timeScale().applyOptions({ secondsVisible: step(interval) < 60 });
        redraw();
        newest();
      },
      update(side, row) {
        const last = times[times.length - 1], time = row[0], every = step(interval);
        const known = sides[side].has(time);
        sides[side].set(time, row);
        const next = last === undefined || time > last, follows = next && (!every || last === undefined || time - last === every);
        // What comes at the end is appended; anything else is drawn anew, once a frame.
        if (side !== "ours" || !priced(row) || !(follows || (time === last && known)) || planned) { soon(); return; }
        if (next) times.push(time);
        drawn.ours.update(bar_of(row));
        if (row[5] !== null) drawn.volume.update(volume_of(row));
        if (sides.theirs.has(time)) soon();
        if (chosen === null || chosen === time) telling = telling || requestAnimationFrame(() => tell());
      },
      setMarkers(found) { markers = found; mark(); tell(); },
      scrollTo(time) {
        if (planned) redraw();
        const found = nearest(time);
        if (found === null) return;
        const range = chart.timeScale().getVisibleLogicalRange(), index = chart.timeScale().timeToIndex(found, true);
        if (times.length > SHOWN || range === null || index < range.from || index > range.to) center(found);
        select(found);
        // The scale moves with the next frame, and the line that shows what is selected after it.
        requestAnimationFrame(() => requestAnimationFrame(() => { if (chosen === found) select(found); }));
      },
      holds(time) { return times.length > 0 && time >= times[0] && time < times[times.length - 1] + Math.max(1, step(interval)); },
      destroy() {
        cancelAnimationFrame(planned);
        cancelAnimationFrame(telling);
        resized.disconnect();
        for (const look of looks) look.removeEventListener("change", paint);
        chart.remove();
        root.replaceChildren();
      },
    };
  };

  return { create };
})();
