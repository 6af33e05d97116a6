// A fast subject in JSON columns: 1m klines of raw trades that come in order, at one scale a symbol.
// Scaled numbers are doubles: exact below 2^53, which a minute's sums stay under; quotes are BigInts.
const MINUTE = 60_000, klines = new Map();
let out = "", rest = "";
const say = (message) => { out += JSON.stringify(message) + "\n"; };
const digits = (text) => Number(text.replace(".", ""));
const scaleOf = (text) => (text.includes(".") ? text.length - text.indexOf(".") - 1 : 0);
const plain = (n, scale) => { const t = `${n}`.padStart(scale + 1, "0"); return scale ? `${t.slice(0, -scale)}.${t.slice(-scale)}` : t; };

function final(symbol) {
  const k = klines.get(symbol), [p, q] = k.scales;
  out += `{"type":"final","symbol":${JSON.stringify(symbol)},"interval":"1m","open_time_ns":${k.at}000000,"open":"${plain(k.o, p)}","high":"${plain(k.h, p)}","low":"${plain(k.l, p)}","close":"${plain(k.c, p)}","volume":"${plain(k.v, q)}","quote_volume":"${plain(k.q, p + q)}","count":${k.n},"taker_buy_volume":"${plain(k.tv, q)}","taker_buy_quote_volume":"${plain(k.tq, p + q)}"}\n`;
  klines.set(symbol, { ...k, at: k.at + MINUTE, o: k.c, h: k.c, l: k.c, v: 0, q: 0n, n: 0, tv: 0, tq: 0n });
}
function onTrades(m, at) {
  const scales = [scaleOf(m.price[0]), scaleOf(m.quantity[0])];
  let k = klines.get(m.symbol);
  if (!k) klines.set(m.symbol, (k = { at, o: 0, h: 0, l: 0, c: 0, v: 0, q: 0n, n: 0, tv: 0, tq: 0n, scales }));
  for (; k.at < at; k = klines.get(m.symbol)) final(m.symbol);
  let quote = 0, taker = 0;
  for (let i = 0; i < m.price.length; i++) {
    const price = digits(m.price[i]), quantity = digits(m.quantity[i]);
    if (!k.n++) k.o = k.h = k.l = price;
    if (price > k.h) k.h = price;
    if (price < k.l) k.l = price;
    k.c = price; k.v += quantity; quote += price * quantity;
    if (!m.buyer_is_maker[i]) { k.tv += quantity; taker += price * quantity; }
  }
  k.q += BigInt(quote); k.tq += BigInt(taker);
}
process.stdin.setEncoding("utf8").on("data", (data) => {
  const lines = (rest + data).split("\n");
  rest = lines.pop();
  for (const line of lines) {
    const m = JSON.parse(line);
    if (m.type === "hello") say({ type: "ready", protocol: 1, name: "fast", wants: ["trades", "ticks"], columns: ["price", "quantity", "event_time_ns", "buyer_is_maker"] });
    // A time is rounded by JSON.parse; its milliseconds, which decide the minute, are not.
    else if (m.type === "trades") onTrades(m, Math.floor(Math.round(m.event_time_ns[0] / 1e6) / MINUTE) * MINUTE);
    else if (m.type === "tick") { const now = Math.round(m.time_ns / 1e6); for (const [symbol] of klines) while (klines.get(symbol).at + MINUTE <= now) final(symbol); }
    else if (m.type === "sync") say({ type: "synced", n: m.n });
    else if (m.type === "end") { for (const [symbol, k] of klines) if (k.n) final(symbol); say({ type: "done" }); }
  }
  process.stdout.write(out);
  out = "";
});
