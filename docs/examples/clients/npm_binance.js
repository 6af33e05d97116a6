// npm `binance`: aggregate trades and klines as its websocket client's `message` event gives them.
const fs = require('fs');
const { USDMClient, WebsocketClient } = require(process.argv[5] + '/node_modules/binance');
const [rest, stream, out] = process.argv.slice(2, 5);
const trades = [], klines = [];
let last = Date.now();
async function main() {
  const client = new USDMClient({ baseUrl: rest });
  const history = await client.getKlines({ symbol: 'ALFAUSDT', interval: '1m', limit: 100 });
  const silent = { trace() {}, info() {}, error() {} };
  const socket = new WebsocketClient({ wsUrl: stream, beautify: false }, silent);
  socket.on('message', (message) => {
    const data = message.data || message;
    last = Date.now();
    if (data.e === 'aggTrade')
      trades.push(JSON.stringify({ id: data.a, price: data.p, quantity: data.q, time: data.T, maker: data.m }));
    if (data.e === 'kline') klines.push(JSON.stringify(data));
  });
  socket.subscribe(['alfausdt@kline_1m', 'alfausdt@aggTrade'], 'usdmMarket');
  const timer = setInterval(() => {
    if (Date.now() - last < 4000) return;
    clearInterval(timer);
    fs.writeFileSync(out + '.trades', trades.join('\n') + '\n');
    fs.writeFileSync(out + '.klines', klines.join('\n') + '\n');
    console.log(JSON.stringify({ history: history.length }));
    process.exit(0);
  }, 200);
}
main();
