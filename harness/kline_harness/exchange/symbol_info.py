"""The reply of exchangeInfo: what is traded, and by which rules.

Source: the exchange's REST documents. No recording states margins and limits of orders: those
fields are there because clients read them, with values that restrict nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kline_harness.columns import Instrument
from kline_harness.exchange.limits import WEIGHT_LIMITS
from kline_harness.exchange.text_matrix import fixed_text
from kline_harness.units import NS_PER_MILLISECOND

# When perpetuals are delivered, as the exchange writes it: 2100-12-25.
_NEVER_MS = 4_133_404_800_000
# When the exchange began to trade USD-M futures: 2019-09-08.
_BEGINNING_MS = 1_567_900_800_000
_ORDERS = ["LIMIT", "MARKET"]
_MOST = "1000000000"


def exchange_info(instruments: Iterable[Instrument], market: str, now_ns: int) -> dict[str, Any]:
    """Return the reply for some instruments of a market, ``um`` or ``spot``."""
    write = _spot if market == "spot" else _perpetual
    return {
        "timezone": "UTC",
        "serverTime": now_ns // NS_PER_MILLISECOND,
        "rateLimits": [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": WEIGHT_LIMITS[market],
            }
        ],
        "exchangeFilters": [],
        "symbols": [{**_common(one), **write(one)} for one in instruments],
    }


def _common(one: Instrument) -> dict[str, Any]:
    base, quote = _assets(one.symbol)
    tick, step = fixed_text(1, one.price_scale), fixed_text(1, one.quantity_scale)
    return {
        "symbol": one.symbol,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "orderTypes": _ORDERS,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": _MOST, "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": _MOST, "stepSize": step},
            {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": _MOST, "stepSize": step},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200, "maxNumOrders": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "0", "minNotional": "0"},
        ],
    }


def _perpetual(one: Instrument) -> dict[str, Any]:
    return {
        "pair": one.symbol.partition("_")[0],
        "contractType": "CURRENT_QUARTER" if "_" in one.symbol else "PERPETUAL",
        "deliveryDate": _NEVER_MS,
        "onboardDate": _BEGINNING_MS,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "marginAsset": _assets(one.symbol)[1],
        "pricePrecision": one.price_scale,
        "quantityPrecision": one.quantity_scale,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _spot(one: Instrument) -> dict[str, Any]:
    return {
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _assets(symbol: str) -> tuple[str, str]:
    name = symbol.partition("_")[0]
    quotes = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "BTC", "ETH", "BNB", "EUR", "TRY")
    quote = next((one for one in quotes if name.endswith(one) and name != one), "")
    return name.removesuffix(quote), quote
