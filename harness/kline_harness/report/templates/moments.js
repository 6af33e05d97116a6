"use strict";
// The candles of a report, and one moment that all its pictures over time, its findings and its candles share.
window.KlineMoments = (report) => {
  const { el, shape, grouped, words, utc, sides, sentenceOf } = report;
  const LISTED = 5;
  const STEPS = 2000;
  const LEAST_MS = 60000;
  const INITIAL = 320;

  // --- candles -----------------------------------------------------------------------------------

  const drawCandles = (root, onSelect) => {
    const { series } = report.block("candles"), differences = report.block("differences");
    const symbols = [...new Set(series.map((one) => one.symbol))];
    const of = (symbol) => series.filter((one) => one.symbol === symbol);
    const box = el("div", {}), said = el("p", { class: "note" }), links = el("p", { class: "candles-links" });
    let chart = null, shown = null;

    // Rows as the component takes them; one equal to the exchange's stands on both sides.
    const unpacked = (one) => {
      const ours = [], theirs = [], markers = [], places = new Map();
      const code = differences ? [differences.symbols.indexOf(one.symbol), differences.intervals.indexOf(one.interval)] : [-1, -1];
      for (const [at, row] of (differences ? differences.rows : []).entries()) {
        if (row[0] !== code[0] || row[1] !== code[1]) continue;
        const [, exchange] = sides(row), time = row[2] / 1000, kind = differences.classes[row[3]];
        places.set(time, differences.first + at);
        markers.push({ time, kind, text: sentenceOf(differences, row, 2) });
        if (exchange[0] !== null) theirs.push([time, ...exchange.slice(0, 5), exchange[6], 1]);
      }
      for (const [time, code, number] of one.more || []) {
        places.set(time, number);
        markers.push({ time, kind: differences.classes[code], text: `difference ${number}` });
      }
      for (const [first, step, texts] of one.runs) {
        for (const [at, text] of texts.entries()) {
          const values = [];
          for (const value of text.split(" ")) values.push(value === "-" ? null : value === "=" ? values[values.length - 1] : value);
          const time = first + at * step, row = [time, ...values, 1];
          ours.push(row);
          if (one.window && time >= one.window[0] && time < one.window[1] && !places.has(time)) theirs.push(row);
        }
      }
      return { ours, theirs, markers, places };
    };

    const show = (symbol, interval, time = null) => {
      const choices = of(symbol);
      const one = choices.find((each) => each.interval === interval) || choices[0];
      if (!one) return;
      if (!shown || shown.symbol !== symbol) {
        if (chart) chart.destroy();
        chart = window.KlineCandles.create(box, { intervals: choices.map((each) => each.interval),
          onInterval: (name) => show(symbol, name, at()), onSelect: (chosen) => { tell(chosen); onSelect(chosen * 1000); } });
      }
      shown = { symbol, one, ...unpacked(one), time };
      chart.setSeries({ name: symbol, interval: one.interval, ours: shown.ours, theirs: shown.theirs, markers: shown.markers });
      picker.value = symbol;
      const count = shown.ours.length;
      said.textContent = count < one.total ? `On this page are ${grouped(count)} of its ${grouped(one.total)} klines: those around what differs, or the first. All are in klines/.` : "";
      const marked = shown.markers.map((marker) => marker.time).sort((left, right) => left - right);
      const first = time !== null ? time : marked.length ? marked[0] : null;
      if (first !== null) chart.scrollTo(first);
      tell(first);
    };
    const at = () => (shown ? shown.time : null);

    // The differences at a kline, and the nearest ones of its series.
    const tell = (time) => {
      shown.time = time;
      const numbers = [...shown.places].sort(([left], [right]) => left - right);
      const link = (text, number) => el("a", { href: `#difference-${number}` }, text);
      const here = shown.places.get(time);
      const before = numbers.filter(([each]) => each < time).pop(), after = numbers.find(([each]) => each > time);
      links.replaceChildren(...[
        here === undefined ? `${grouped(numbers.length)} of the klines of ${shown.symbol} ${shown.one.interval} differ. ` : link(`Evidence of difference ${grouped(here)}`, here),
        before && step("Previous difference", before[0]), after && step("Next difference", after[0])].filter(Boolean));
    };
    const step = (text, time) => el("button", { type: "button", onclick: () => { chart.scrollTo(time); tell(time); onSelect(time * 1000); } }, text);

    const picker = el("select", { onchange: () => show(picker.value, shown.one.interval, shown.time) }, ...symbols.map((name) => el("option", { value: name }, name)));
    root.replaceChildren(...(symbols.length > 1 ? [el("label", { class: "candles-symbol" }, "Symbol ", picker)] : []), box, links, said);
    const worst = differences && differences.rows.find((row) => series.some((one) => one.symbol === differences.symbols[row[0]] && one.interval === differences.intervals[row[1]]));
    if (worst) show(differences.symbols[worst[0]], differences.intervals[worst[1]], worst[2] / 1000);
    else {
      const fitting = of(symbols[0]).find((one) => one.total <= INITIAL) || of(symbols[0])[0];
      show(symbols[0], fitting.interval);
    }
    return {
      goTo: (symbol, interval, time) => series.some((one) => one.symbol === symbol) && show(symbol, interval, time),
      // The kline of the series shown that a moment lies in.
      moment: (ms) => {
        const times = shown.ours.map((row) => row[0]).filter((time) => time * 1000 <= ms);
        if (!times.length) return;
        shown.time = times[times.length - 1];
        chart.scrollTo(shown.time);
        tell(shown.time);
      },
    };
  };

  // --- the moment --------------------------------------------------------------------------------

  const pictures = () => [...document.querySelectorAll("figure[data-from]")].map((figure) => {
    const [from, to, left, right] = ["from", "to", "left", "right"].map((name) => Number(figure.dataset[name]));
    return { svg: figure.querySelector("svg"), from, to, left, right };
  });

  const driveMoments = (root, data, chosen) => {
    const { from, to } = data, each = (to - from) / data.columns, drawn = pictures();
    const lines = drawn.map(({ svg }) => {
      const line = shape("path", { class: "moment-line" });
      svg.append(line);
      return line;
    });
    const output = el("div", { role: "status" });
    const slider = el("input", { type: "range", min: from, max: to - 1, step: Math.max(1, Math.round((to - from) / STEPS / 1000) * 1000), value: from,
      oninput: () => choose(Number(slider.value), true) });
    const value = ([places, counts], place) => { const at = places.indexOf(place); return at < 0 ? null : counts[at]; };
    const listOf = (kind, one, when) => {
      const block = report.block(kind);
      const found = (block ? block.rows : []).map((row, at) => [row, block.first + at]).filter(([row]) => when(block, row));
      if (!found.length) return null;
      const more = found.length - LISTED;
      return el("span", {}, `${grouped(found.length)}: `, ...found.slice(0, LISTED).flatMap(([row, number]) => [el("a", { href: `#${one}-${number}` },
        kind === "findings" ? words(block.kinds[row[1]]) : `${block.symbols[row[0]]} ${block.intervals[row[1]]}`), " "]), more > 0 ? `and ${grouped(more)} more` : "");
    };
    const millis = (text) => (text ? Date.parse(text.slice(0, 23).replace(" ", "T") + "Z") : NaN);

    const choose = (ms, drive) => {
      const time = Math.min(to - 1, Math.max(from, ms)), place = Math.min(data.columns - 1, Math.floor((time - from) / each));
      const begin = from + place * each, end = begin + Math.max(each, LEAST_MS), within = (at) => at >= begin && at < end;
      slider.value = time;
      root.dataset.at = time;
      slider.setAttribute("aria-valuetext", utc(time));
      for (const [at, { svg, from: first, to: last, left, right }] of drawn.entries()) {
        const x = left + (time - first) / (last - first) * (right - left), inside = time >= first && time <= last;
        lines[at].setAttribute("d", inside ? `M${x.toFixed(1)} 0V${svg.viewBox.baseVal.height}` : "");
      }
      const rows = [];
      const planted = data.planted.filter(([, start, until]) => start <= time && time < until).map(([name]) => name);
      if (planted.length) rows.push(["State", [...new Set(planted)].join(", ")]);
      const said = { depth: "unread", stalled: "waiting in a stall", lag: "missed", refused: "refused", flush: "flushed at once" };
      const names = [...new Set(data.tracks.map(([channel, consumer]) => `${channel} to ${consumer}`))];
      for (const name of names) {
        const here = data.tracks.filter(([channel, consumer]) => `${channel} to ${consumer}` === name)
          .map(([, , event, ...values]) => [said[event] || words(event), value(values, place)]).filter(([, count]) => count !== null);
        rows.push([name, here.map(([text, count]) => `${grouped(count)} ${text}`).join(", ") || "nothing"]);
      }
      const late = value(data.late, place);
      rows.push(["Finals", late === null ? "none" : `the latest ${grouped(Math.round(late / 1e6))} ms after its close`]);
      const findings = listOf("findings", "finding", (block, row) => within(millis(row[6])) || within(millis(row[5])));
      rows.push(["Findings", findings || "none"]);
      const differences = listOf("differences", "difference", (block, row) => within(row[2]));
      if (report.block("differences")) rows.push(["Differences that open here", differences || "none"]);
      output.replaceChildren(el("p", {}, el("strong", {}, `${utc(Math.round(time))} UTC`)),
        el("dl", { class: "pairs" }, ...rows.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text)))));
      if (drive && chosen) chosen(time);
    };
    for (const { svg, from: first, to: last, left, right } of drawn) {
      svg.addEventListener("click", (event) => {
        const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
        choose(Math.round(first + (point.x - left) / (right - left) * (last - first)), true);
      });
    }
    root.replaceChildren(el("label", {}, "Moment: what was then, here, in the candles and in the maps ", slider), output);
    const differences = report.block("differences");
    choose(differences && differences.rows.length ? differences.rows[0][2] : from, false);
    return choose;
  };

  const candles = document.querySelector("[data-candles]"), moments = document.querySelector("[data-moments]");
  let choose = null;
  const chart = candles && window.KlineCandles && report.block("candles").series.length ? drawCandles(candles, (ms) => choose && choose(ms, false)) : null;
  if (moments && report.block("moments")) choose = driveMoments(moments, report.block("moments"), chart && chart.moment);
  report.chosen = (data, row) => {
    if (chart) chart.goTo(data.symbols[row[0]], data.intervals[row[1]], row[2] / 1000);
    if (choose) choose(row[2], false);
  };
};
