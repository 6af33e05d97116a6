// A kline aggregator that speaks kline-subject/1; --bug: a trade at a kline's end joins it.
// Times and ids can exceed 2^53, so long integers are quoted before JSON.parse would round them.
const BUG = process.argv.includes("--bug") ? 1n : 0n, NS = 10n ** 9n, SCALE = 40, DAY = 86400n;
const SECONDS = { s: 1n, m: 60n, h: 3600n, d: DAY, w: 7n * DAY };
const klines = new Map(), seen = new Set();
let intervals = [], out = "", rest = "";
const say = (message) => { out += JSON.stringify(message).replace(/"#(-?\d+)"/g, "$1") + "\n"; };
const exact = (text) => { const [whole, part = ""] = text.split("."); return BigInt(whole + part.padEnd(SCALE, "0")); };
const text = (n) => { const t = `${n}`.padStart(SCALE + 1, "0"); return `${t.slice(0, -SCALE)}.${t.slice(-SCALE)}`.replace(/\.?0+$/, ""); };
const sum = (rows, name) => rows.reduce((total, row) => total + row[name], 0n);

function span(interval, time) {
  const at = new Date(Number(time / 10n ** 6n)), month = (n) => BigInt(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + n)) * 10n ** 6n;
  if (interval === "1M") return [month(0), month(1)];
  const size = BigInt(interval.slice(0, -1)) * SECONDS[interval.at(-1)] * NS;
  const start = time - (time - (interval === "1w" ? 4n * DAY * NS : 0n)) % size;
  return [start, start + size];
}
function final(k) { // publish a kline and open the next
  const flat = { price: k.price, quantity: 0n, quote: 0n, first_id: -1n, last_id: -1n };
  const rows = k.trades.length ? k.trades.sort((a, b) => (a.id < b.id ? -1 : 1)) : [flat], last = rows.at(-1), prices = rows.map((row) => row.price);
  const buys = k.trades.filter((row) => !row.maker), extreme = (beats) => prices.reduce((best, price) => (beats(price, best) ? price : best));
  say({ type: "final", symbol: k.symbol, interval: k.interval, open_time_ns: `#${k.span[0]}`, open: text(rows[0].price), high: text(extreme((a, b) => a > b)),
    low: text(extreme((a, b) => a < b)), close: text(last.price), volume: text(sum(rows, "quantity")), quote_volume: text(sum(rows, "quote")),
    count: `#${k.trades.reduce((n, row) => n + row.last_id - row.first_id + 1n, 0n)}`, taker_buy_volume: text(sum(buys, "quantity")),
    taker_buy_quote_volume: text(sum(buys, "quote")), first_id: `#${rows[0].first_id}`, last_id: `#${last.last_id}` });
  Object.assign(k, { span: span(k.interval, k.span[1]), price: last.price, trades: [] });
}
function onTrade(symbol, time, trade) {
  for (const interval of intervals) {
    const key = `${interval} ${symbol}`, [start, end] = span(interval, time - BUG);
    if (!klines.has(key)) klines.set(key, { symbol, interval, span: [start, end], price: trade.price, trades: [] });
    const k = klines.get(key);
    while (k.span[1] <= start) final(k);
    if (start === k.span[0]) k.trades.push(trade); // else it is late
  }
}
const on = {
  hello(m) { intervals = m.intervals; say({ type: "ready", protocol: 1, name: "node example", wants: ["trades", "ticks"] }); },
  trades(m) {
    m.id.forEach((id, i) => {
      if (m.kind[i] !== "MARKET" || seen.has(`${id} ${m.symbol}`)) return;
      seen.add(`${id} ${m.symbol}`);
      onTrade(m.symbol, BigInt(m.event_time_ns[i]), { id: BigInt(id), price: exact(m.price[i]), quantity: exact(m.quantity[i]), quote: exact(m.quote[i]),
        first_id: BigInt(m.first_id[i]), last_id: BigInt(m.last_id[i]), maker: m.buyer_is_maker[i] });
    });
  },
  tick(m) { for (const k of klines.values()) while (k.span[1] <= BigInt(m.time_ns)) final(k); },
  sync(m) { say({ type: "synced", n: m.n }); },
  end() { for (const k of klines.values()) if (k.trades.length) final(k); say({ type: "done" }); },
};
process.stdin.setEncoding("utf8").on("data", (data) => {
  const lines = (rest + data).split("\n");
  rest = lines.pop();
  for (const line of lines) { const m = JSON.parse(line.replace(/(?<=[[,:] ?)-?\d{16,}(?=[\],}])/g, '"$&"')); on[m.type](m); }
  process.stdout.write(out);
  out = "";
});
