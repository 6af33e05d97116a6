//! A kline aggregator that speaks kline-subject/1, with a tokio broadcast between the aggregator and
//! those who need its finals: a writer (stdout) and an auditor (stderr), each with a lag of its own.
//! With --bug a trade at the end of a kline joins it.
use serde_json::{json, Value};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, Write};
use tokio::sync::broadcast::{self, error::RecvError};

const NS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;
const SCALE: usize = 18;

#[derive(Clone, Debug)]
enum Out {
    Final(Kline),
    Message(Value),
}

#[derive(Clone, Debug)]
struct Kline {
    symbol: String,
    interval: String,
    span: (i64, i64),
    ids: Option<(i64, i64)>,
    raw_ids: (i64, i64),
    prices: [i128; 4], // open, high, low, close
    sums: [i128; 4],   // volume, quote volume, and those of taker buys
    count: i64,
}

struct Trade {
    id: i64,
    numbers: [i128; 3], // price, quantity, quote
    raw_ids: (i64, i64),
    time: i64,
    maker: bool,
}

fn number(text: &str) -> i128 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    assert!(part.len() <= SCALE, "more than {SCALE} decimals: {text}");
    format!("{whole}{part:0<SCALE$}").parse().expect("decimal text")
}

fn text(value: i128) -> String {
    let digits = format!("{value:0>width$}", width = SCALE + 1);
    let (whole, part) = digits.split_at(digits.len() - SCALE);
    format!("{whole}.{part}").trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Days from 1970-01-01 to the first of a month; months are counted from January of the year 0.
fn first_of(month: i64) -> i64 {
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 - 719_468
}

/// The open and the close time of the kline that holds a time.
fn span(interval: &str, time: i64) -> (i64, i64) {
    let (count, unit) = interval.split_at(interval.len() - 1);
    if unit == "M" {
        let day = time.div_euclid(DAY * NS);
        let mut month = (1970 + day.div_euclid(366)) * 12;
        while first_of(month + 1) <= day {
            month += 1;
        }
        return (first_of(month) * DAY * NS, first_of(month + 1) * DAY * NS);
    }
    let seconds = match unit { "s" => 1, "m" => 60, "h" => 3_600, "d" => DAY, _ => 7 * DAY };
    let size = count.parse::<i64>().expect("a count") * seconds * NS;
    let monday = if unit == "w" { 4 * DAY * NS } else { 0 };
    let start = time - (time - monday).rem_euclid(size);
    (start, start + size)
}

impl Kline {
    fn new(symbol: &str, interval: &str, start: i64, price: i128) -> Self {
        let (symbol, name) = (symbol.to_string(), interval.to_string());
        let (span, prices) = (span(interval, start), [price; 4]);
        Kline { symbol, interval: name, span, ids: None, raw_ids: (-1, -1), prices, sums: [0; 4], count: 0 }
    }

    fn apply(&mut self, trade: &Trade) {
        let [price, quantity, quote] = trade.numbers;
        let (low, high) = *self.ids.get_or_insert_with(|| {
            (self.prices, self.raw_ids) = ([price; 4], trade.raw_ids);
            (trade.id, trade.id)
        });
        if trade.id < low { (self.prices[0], self.raw_ids.0) = (price, trade.raw_ids.0); }
        if trade.id > high { (self.prices[3], self.raw_ids.1) = (price, trade.raw_ids.1); }
        self.ids = Some((low.min(trade.id), high.max(trade.id)));
        self.prices[1] = self.prices[1].max(price);
        self.prices[2] = self.prices[2].min(price);
        let taker = i128::from(!trade.maker);
        for (sum, part) in self.sums.iter_mut().zip([quantity, quote, quantity * taker, quote * taker]) {
            *sum += part;
        }
        self.count += trade.raw_ids.1 - trade.raw_ids.0 + 1;
    }

    fn message(&self) -> Value {
        let ([open, high, low, close], [v, q, tv, tq]) = (self.prices.map(text), self.sums.map(text));
        json!({"type": "final", "symbol": self.symbol, "interval": self.interval, "open_time_ns": self.span.0,
            "open": open, "high": high, "low": low, "close": close, "volume": v, "quote_volume": q, "count": self.count,
            "taker_buy_volume": tv, "taker_buy_quote_volume": tq, "first_id": self.raw_ids.0, "last_id": self.raw_ids.1})
    }
}

struct Aggregator {
    bug: i64,
    intervals: Vec<String>,
    klines: BTreeMap<(String, usize), Kline>,
    seen: HashMap<String, HashSet<i64>>,
    finals: broadcast::Sender<Out>,
}

impl Aggregator {
    fn publish(finals: &broadcast::Sender<Out>, kline: &Kline) {
        finals.send(Out::Final(kline.clone())).expect("a receiver");
    }

    fn advance(finals: &broadcast::Sender<Out>, kline: &mut Kline, time: i64) {
        while kline.span.1 <= time {
            Self::publish(finals, kline);
            *kline = Kline::new(&kline.symbol, &kline.interval, kline.span.1, kline.prices[3]);
        }
    }

    fn trade(&mut self, symbol: &str, trade: &Trade) {
        for (place, interval) in self.intervals.iter().enumerate() {
            let start = span(interval, trade.time - self.bug).0;
            let fresh = || Kline::new(symbol, interval, start, trade.numbers[0]);
            let kline = self.klines.entry((symbol.to_string(), place)).or_insert_with(fresh);
            Self::advance(&self.finals, kline, start);
            if start >= kline.span.0 { kline.apply(trade); } // else it is late
        }
    }

    fn on(&mut self, message: &Value) -> Option<Value> {
        let int = |value: &Value| value.as_i64().expect("an integer");
        match message["type"].as_str().expect("a type") {
            "hello" => {
                let names = message["intervals"].as_array().expect("intervals").iter();
                self.intervals = names.map(|name| name.as_str().expect("text").to_string()).collect();
                return Some(json!({"type": "ready", "protocol": 1, "name": "rust example", "wants": ["trades", "ticks"]}));
            }
            "trades" => {
                let symbol = message["symbol"].as_str().expect("a symbol");
                for row in 0..message["id"].as_array().expect("ids").len() {
                    let id = int(&message["id"][row]);
                    let is_new = message["kind"][row] == "MARKET" && self.seen.entry(symbol.to_string()).or_default().insert(id);
                    if !is_new { continue; }
                    let numbers = ["price", "quantity", "quote"].map(|name| number(message[name][row].as_str().expect("text")));
                    let raw_ids = (int(&message["first_id"][row]), int(&message["last_id"][row]));
                    let time = int(&message["event_time_ns"][row]);
                    let maker = message["buyer_is_maker"][row] == true;
                    self.trade(symbol, &Trade { id, numbers, raw_ids, time, maker });
                }
            }
            "tick" => self.klines.values_mut().for_each(|kline| Self::advance(&self.finals, kline, int(&message["time_ns"]))),
            "sync" => return Some(json!({"type": "synced", "n": message["n"]})),
            "end" => {
                self.klines.values().filter(|kline| kline.ids.is_some()).for_each(|kline| Self::publish(&self.finals, kline));
                return Some(json!({"type": "done"}));
            }
            other => panic!("unknown message {other}"),
        }
        None
    }
}

/// Writes to stdout what is broadcast, in order; a lag here would be finals that nobody gets.
async fn write(mut finals: broadcast::Receiver<Out>) {
    let mut stdout = std::io::stdout().lock();
    loop {
        match finals.recv().await {
            Ok(Out::Final(kline)) => writeln!(stdout, "{}", kline.message()).expect("stdout"),
            Ok(Out::Message(message)) => writeln!(stdout, "{message}").and_then(|()| stdout.flush()).expect("stdout"),
            Err(RecvError::Lagged(missed)) => panic!("the writer missed {missed} messages"),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Counts finals and looks for gaps in each series, beside the writer and independent of it.
async fn audit(mut finals: broadcast::Receiver<Out>) {
    let (mut count, mut missed, mut gaps) = (0_u64, 0_u64, 0_u64);
    let mut next: HashMap<(String, String), i64> = HashMap::new();
    loop {
        match finals.recv().await {
            Ok(Out::Final(kline)) => {
                count += 1;
                let due = next.insert((kline.symbol.clone(), kline.interval.clone()), kline.span.1);
                gaps += u64::from(due.is_some_and(|due| due != kline.span.0));
            }
            Ok(Out::Message(_)) => {}
            Err(RecvError::Lagged(lag)) => missed += lag,
            Err(RecvError::Closed) => break,
        }
    }
    eprintln!("auditor: {count} finals, {gaps} gaps, {missed} missed");
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (finals, for_writer) = broadcast::channel(1 << 16);
    let tasks = [tokio::spawn(audit(finals.subscribe())), tokio::task::spawn_blocking(|| tokio::runtime::Handle::current().block_on(write(for_writer)))];
    let bug = i64::from(std::env::args().any(|argument| argument == "--bug"));
    let mut aggregator = Aggregator { bug, intervals: Vec::new(), klines: BTreeMap::new(), seen: HashMap::new(), finals };
    for line in std::io::stdin().lock().lines() {
        let message = serde_json::from_str(&line.expect("UTF-8")).expect("JSON");
        if let Some(answer) = aggregator.on(&message) {
            aggregator.finals.send(Out::Message(answer)).expect("a receiver");
        }
    }
    drop(aggregator);
    for task in tasks {
        task.await.expect("a task");
    }
}
