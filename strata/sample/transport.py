"""Transport of the sample company: lanes, freight rates, shipments in from suppliers and out to customers.

Belongs here: rows of the feeds of the transport system. Does not: what is shipped (receipts and sales lines), the
numbers behind distances, rates and delays (`strata.sample.departments`).
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from strata.sample.activity import DAY, Activity, Bools, Rows, codes, decimals, instants, picked
from strata.sample.demand import Demand, day_number, month_first_day, months_of, positions
from strata.sample.departments import TransportSpec
from strata.sample.documents import Papers
from strata.sample.extracts import as_scaled
from strata.sample.operations import Operations
from strata.sample.replenishment import UNIT, Floats, Ints
from strata.sample.warehouse import Handling

MODES = ("own_fleet", "parcel", "ltl", "ftl", "ocean", "air")
OWN_FLEET, PARCEL, LTL, FTL, OCEAN, AIR = range(len(MODES))
CARRIERS = 4
DEPARTURE_HOUR = 5
UNLOADING = 2 * 3600
KM_OF_RATE = 1000


@dataclass(frozen=True, slots=True)
class Lanes:
    """Lanes: suppliers x locations first, then the pairs of location and customer that ever traded.

    `mode` is the usual mode, `other` the one for haste; `distance` is in km.
    """

    lane_id: pa.Array
    origin: pa.Array
    destination: pa.Array
    inbound: int
    customer: Ints
    location: Ints
    mode: Ints
    other: Ints
    distance: Floats

    def of_customer(self, customer: Ints, location: Ints, customers: int) -> Ints:
        """Index of the lane of every pair of customer and location."""
        known = self.location[self.inbound :] * customers + self.customer[self.inbound :]
        found: Ints = self.inbound + np.searchsorted(known, location * customers + customer)
        return found


def connect(demand: Demand, operations: Operations, activity: Activity, spec: TransportSpec, *, seed: int) -> Lanes:
    """Draw the lanes of a company."""
    rng = np.random.default_rng([seed, 50])
    locations, customers = demand.sites.num_rows, demand.customers.num_rows
    suppliers = operations.suppliers.num_rows
    country = operations.suppliers.column("country").to_pylist()
    span = np.array([spec.inbound_km[code] for code in country])
    supplier = np.repeat(np.arange(suppliers), locations)
    location = np.tile(np.arange(locations), suppliers)
    overseas = np.isin(country, spec.overseas)[supplier]
    known = activity.lines.customer >= 0
    place = operations.location_of[activity.lines.cell[known]]
    pairs = np.unique(place * max(customers, 1) + activity.lines.customer[known])
    to_location, to_customer = np.divmod(pairs, max(customers, 1))
    distance = np.concatenate(
        [rng.uniform(span[supplier, 0], span[supplier, 1]), rng.uniform(*spec.outbound_km, len(pairs))]
    )
    sites, ids = demand.sites.column("location_id"), demand.customers.column("customer_id")
    origin = pa.concat_arrays(
        [operations.suppliers.column("supplier_id").take(pa.array(supplier)).combine_chunks(),
         sites.take(pa.array(to_location)).combine_chunks()]
    )  # fmt: skip
    destination = pa.concat_arrays(
        [sites.take(pa.array(location)).combine_chunks(), ids.take(pa.array(to_customer)).combine_chunks()]
    )
    return Lanes(
        lane_id=pc.binary_join_element_wise(origin, destination, ">"),
        origin=origin,
        destination=destination,
        inbound=len(supplier),
        customer=np.concatenate([np.full(len(supplier), -1), to_customer]),
        location=np.concatenate([location, to_location]),
        mode=np.concatenate([np.where(overseas, OCEAN, LTL), np.full(len(pairs), OWN_FLEET)]),
        other=np.concatenate([np.where(overseas, AIR, FTL), np.full(len(pairs), PARCEL)]),
        distance=np.round(distance, 1),
    )


def hours(lanes: Lanes, lane: Ints, mode: Ints, spec: TransportSpec) -> Floats:
    """Planned hours from departure to arrival."""
    speed = np.array([spec.speed_km_hour[name] for name in MODES])
    ends = np.array([spec.handling_hours[name] for name in MODES])
    found: Floats = np.ceil(lanes.distance[lane] / speed[mode] + ends[mode])
    return found


def lane_rows(demand: Demand, lanes: Lanes, spec: TransportSpec) -> pa.Table:
    """Every lane by its two modes."""
    lane = np.repeat(np.arange(len(lanes.mode)), 2)
    mode = np.column_stack([lanes.mode, lanes.other]).ravel()
    inbound = lane < lanes.inbound
    weekly = np.where(inbound, 5, len(spec.delivery_weekdays)).astype(np.float64)
    return pa.table(
        {
            "lane_id": lanes.lane_id.take(pa.array(lane)),
            "mode": picked(MODES, mode),
            "origin_type": picked(("location", "supplier"), inbound.astype(np.int64)),
            "origin_id": lanes.origin.take(pa.array(lane)),
            "destination_type": picked(("customer", "location"), inbound.astype(np.int64)),
            "destination_id": lanes.destination.take(pa.array(lane)),
            "distance_km": decimals(lanes.distance[lane]),
            "planned_transit_hours": decimals(hours(lanes, lane, mode, spec)),
            "departures_per_week": decimals(weekly),
            "status": pa.array(["active"] * len(lane), pa.string()),
        }
    )


def rates(demand: Demand, lanes: Lanes, spec: TransportSpec) -> Rows:
    """Rates from the first day of data, and new ones each year from the month in which rates rise."""
    breaks = len(spec.breaks_kg)
    lane = np.repeat(np.arange(len(lanes.mode)), 2 * breaks)
    mode = np.repeat(np.column_stack([lanes.mode, lanes.other]).ravel(), breaks)
    step = np.tile(np.arange(breaks), 2 * len(lanes.mode))
    first, last = (
        month_first_day(int(m))
        for m in months_of(np.array([day_number(demand.first_day), day_number(demand.last_day)]))
    )
    starts = [first] + [
        first.replace(year=year, month=spec.rate_month)
        for year in range(first.year, last.year + 1)
        if first < first.replace(year=year, month=spec.rate_month) <= last
    ]

    def rows(begin: int, stop: int) -> pa.Table:
        parts = [
            _rates_from(demand, lanes, spec, lane, mode, step, starts, number)
            for number, start in enumerate(starts)
            if begin <= start.year * 12 + start.month - 1 < stop
        ]
        return (
            pa.concat_tables(parts)
            if parts
            else _rates_from(demand, lanes, spec, lane, mode, step, starts, 0).slice(0, 0)
        )

    return rows


def _rates_from(
    demand: Demand,
    lanes: Lanes,
    spec: TransportSpec,
    lane: Ints,
    mode: Ints,
    step: Ints,
    starts: list[date],
    number: int,
) -> pa.Table:
    size, minimum = len(lane), np.array([spec.minimum_charge[name] for name in MODES], dtype=np.float64)
    return pa.table(
        {
            "lane_id": lanes.lane_id.take(pa.array(lane)),
            "mode": picked(MODES, mode),
            "carrier_id": codes("CAR", lane % CARRIERS + CARRIERS * mode + 1, 2),
            "weight_from_kg": pa.array(np.array(spec.breaks_kg)[step]),
            "valid_from": pa.array([starts[number]] * size, pa.date32()),
            "valid_to": pa.nulls(size, pa.date32()),
            "service_level": picked(("regular", "express"), np.isin(mode, (PARCEL, AIR)).astype(np.int64)),
            "rate_basis": pa.array(["per_kg"] * size, pa.string()),
            "rate": decimals(_rate(lanes, spec, lane, mode, step) * (1 + spec.rate_rise) ** number),
            "minimum_charge": decimals(minimum[mode]),
            "fuel_surcharge_share": decimals(np.full(size, spec.fuel_share)),
            "currency": pa.array([demand.currency] * size, pa.string()),
        }
    )


def _rate(lanes: Lanes, spec: TransportSpec, lane: Ints, mode: Ints, step: Ints) -> Floats:
    """Price of a kilogram; at least a tenth of a cent."""
    per_km = np.array([spec.rate_km[name] for name in MODES])
    price: Floats = per_km[mode] * lanes.distance[lane] / KM_OF_RATE * spec.break_discount**step
    return np.maximum(np.round(price, 4), 0.001)


def freight(lanes: Lanes, spec: TransportSpec, lane: Ints, mode: Ints, kilograms: Floats, rises: Ints) -> Floats:
    """Rated freight of shipments, surcharge included, in whole cents."""
    step = np.searchsorted(np.array(spec.breaks_kg), kilograms, side="right") - 1
    minimum = np.array([spec.minimum_charge[name] for name in MODES], dtype=np.float64)
    rate = np.round(_rate(lanes, spec, lane, mode, step) * (1 + spec.rate_rise) ** rises, 4)
    cost: Floats = np.round(np.maximum(rate * kilograms, minimum[mode]) * (1 + spec.fuel_share), 2)
    return cost


@dataclass(frozen=True, slots=True)
class _Trips:
    """Shipments: lane, direction (0 in, 1 out), local seconds of planned and actual times, weight, volume, document."""

    lane: Ints
    outbound: Bools
    mode: Ints
    departs: Ints
    left: Ints
    due: Ints
    arrived: Ints
    kilograms: Floats
    cubic_metres: Floats
    number: pa.Array
    document: pa.Array


def shipments(
    demand: Demand, operations: Operations, activity: Activity, papers: Papers, lanes: Lanes, handling: Handling,
    spec: TransportSpec, *, seed: int,
) -> Rows:  # fmt: skip
    """One row per receipt document, and per customer, location and day of delivery.

    A shipment is sent with the month in which it leaves; one that is still under way then comes again, delivered,
    with the month in which it arrives.
    """
    trips = _joined(
        _inbound(demand, operations, papers, lanes, handling, spec, seed),
        _outbound(demand, operations, activity, lanes, handling, spec, seed),
    )
    base = day_number(demand.first_day)
    left_month, arrived_month = months_of(trips.left // DAY + base), months_of(trips.arrived // DAY + base)
    rises = _rises(demand, spec, left_month)
    planned = freight(lanes, spec, trips.lane, trips.mode, trips.kilograms, rises)
    noise = np.random.default_rng([seed, 53]).uniform(1 - spec.invoice_noise, 1 + spec.invoice_noise, len(planned))
    charged = np.round(planned * noise, 2)

    def rows(first: int, stop: int) -> pa.Table:
        sent = (left_month >= first) & (left_month < stop) | (arrived_month >= first) & (arrived_month < stop)
        which = np.flatnonzero(sent & (left_month < stop))
        take, lane = pa.array(which), trips.lane[which]
        under_way = arrived_month[which] >= stop
        size, outbound = len(which), trips.outbound[which].astype(np.int64)
        at = demand.sites.column("location_id").take(pa.array(lanes.location[lane]))
        partner = pc.if_else(
            pa.array(trips.outbound[which]), lanes.destination.take(pa.array(lane)), lanes.origin.take(pa.array(lane))
        )
        mode = trips.mode[which]
        return pa.table(
            {
                "shipment_id": trips.number.take(take),
                "shipment_line": pa.array(np.zeros(size, dtype=np.int64)),
                "direction": picked(("inbound", "outbound"), outbound),
                "location_id": at,
                "partner_id": partner,
                "lane_id": lanes.lane_id.take(pa.array(lane)),
                "mode": picked(MODES, mode),
                "carrier_id": codes("CAR", lane % CARRIERS + CARRIERS * mode + 1, 2),
                "service_level": picked(("regular", "express"), np.isin(mode, (PARCEL, AIR)).astype(np.int64)),
                "reference_type": picked(("receipt",), outbound * -1),
                "reference_id": trips.document.take(take),
                "sku_id": pa.nulls(size, pa.string()),
                "quantity": pa.nulls(size, pa.decimal128(18, 4)),
                "unit": pa.nulls(size, pa.string()),
                "planned_departure_at": instants(demand, trips.departs[which]),
                "actual_departure_at": instants(demand, trips.left[which]),
                "planned_arrival_at": instants(demand, trips.due[which]),
                "actual_arrival_at": instants(demand, trips.arrived[which], under_way),
                "weight_kg": decimals(trips.kilograms[which]),
                "volume_m3": decimals(trips.cubic_metres[which]),
                "distance_km": decimals(lanes.distance[lane]),
                "planned_cost": decimals(planned[which]),
                "actual_cost": decimals(charged[which], under_way),
                "currency": pa.array([demand.currency] * size, pa.string()),
                "status": picked(("delivered", "under_way"), under_way.astype(np.int64)),
            }
        )

    return rows


def _rises(demand: Demand, spec: TransportSpec, month: Ints) -> Ints:
    """How often rates have risen since the first day of data."""
    first = demand.first_day.year * 12 + demand.first_day.month - 1
    since = (month - (spec.rate_month - 1)) // 12 - (first - (spec.rate_month - 1)) // 12
    return np.maximum(since, 0)


def _inbound(
    demand: Demand, operations: Operations, papers: Papers, lanes: Lanes, handling: Handling, spec: TransportSpec,
    seed: int,
) -> _Trips:  # fmt: skip
    """A receipt document is what one truck or container brought: it arrived shortly before it was booked."""
    receipts = papers.receipts
    ids = receipts.column("receipt_id").to_numpy()
    is_new = np.ones(len(ids), dtype=np.bool_)
    is_new[1:] = ids[1:] != ids[:-1]
    first = np.flatnonzero(is_new)
    group = np.cumsum(is_new) - 1
    item = positions(receipts.column("sku_id"), operations.items.column("sku_id").combine_chunks())
    location = positions(receipts.column("location_id"), demand.sites.column("location_id").combine_chunks())
    supplier_ids = operations.suppliers.column("supplier_id").combine_chunks()
    supplier = positions(operations.items.column("supplier_id"), supplier_ids)[item]
    weight, volume = _load(handling, item, as_scaled(receipts.column("quantity")), group, len(first))
    lane = (supplier * demand.sites.num_rows + location)[first]
    rng = np.random.default_rng([seed, 51])
    booked = pc.local_timestamp(receipts.column("received_at")).cast(pa.int64()).to_numpy()[first] // 1_000_000
    arrived = booked - day_number(demand.first_day) * DAY - UNLOADING
    mode = np.where((lanes.mode[lane] == LTL) & (weight > spec.full_load_kg), FTL, lanes.mode[lane])
    transit = (hours(lanes, lane, mode, spec) * 3600).astype(np.int64)
    delay = _delays(rng, len(first), spec)
    left = arrived - delay - transit
    document = receipts.column("receipt_id").take(pa.array(first)).combine_chunks()
    return _Trips(
        lane, np.zeros(len(first), dtype=np.bool_), mode, left, left, arrived - delay, arrived, weight, volume,
        pc.binary_join_element_wise("SI", document, ""), document,
    )  # fmt: skip


def _outbound(
    demand: Demand, operations: Operations, activity: Activity, lanes: Lanes, handling: Handling, spec: TransportSpec,
    seed: int,
) -> _Trips:  # fmt: skip
    """What a customer ordered since its last delivery goes out on the next day of delivery, if before the end."""
    lines, customers = activity.lines, demand.customers.num_rows
    known = np.flatnonzero(lines.customer >= 0)
    wait = np.array([
        min((weekday - today - 1) % 7 + 1 for weekday in spec.delivery_weekdays) for today in range(7)
    ])  # fmt: skip
    day = lines.second[known] // DAY
    day = day + wait[(day + demand.first_day.weekday()) % 7]
    location = operations.location_of[lines.cell[known]]
    lane = lanes.of_customer(lines.customer[known], location, customers)
    key, group = np.unique(day * len(lanes.mode) + lane, return_inverse=True)
    weight, volume = _load(handling, operations.item_of[lines.cell[known]], lines.quantity[known], group, len(key))
    day, lane = np.divmod(key, max(len(lanes.mode), 1))
    rng = np.random.default_rng([seed, 52])
    departs = day * DAY + DEPARTURE_HOUR * 3600
    mode = np.where(rng.random(len(key)) < spec.parcel_share, PARCEL, OWN_FLEET)
    due = departs + (hours(lanes, lane, mode, spec) * 3600).astype(np.int64)
    left = departs + rng.integers(0, 2400, len(key))
    number = pc.binary_join_element_wise(
        "SO",
        pc.utf8_lpad(pa.array(day).cast(pa.string()), 5, "0"),
        pc.utf8_lpad(pa.array(lane).cast(pa.string()), 6, "0"),
        "-",
    )
    return _Trips(
        lane, np.ones(len(key), dtype=np.bool_), mode, departs, left, due, due + _delays(rng, len(key), spec), weight,
        volume, number, pa.nulls(len(key), pa.string()),
    )  # fmt: skip


def _load(handling: Handling, item: Ints, quantity: Ints, group: Ints, size: int) -> tuple[Floats, Floats]:
    """Weight in kg and volume in cubic metres of each group of lines."""
    units = quantity / UNIT
    weight = np.bincount(group, units * handling.kilograms[item], size).astype(np.float64)
    volume = np.bincount(group, units * handling.litres[item] / 1000, size).astype(np.float64)
    return np.maximum(np.round(weight, 3), 0.001), np.maximum(np.round(volume, 4), 0.0001)


def _delays(rng: np.random.Generator, size: int, spec: TransportSpec) -> Ints:
    """Seconds after the planned arrival: a few minutes either way, or late."""
    late = rng.random(size) < spec.late_share
    delay = np.where(late, rng.exponential(spec.late_hours * 3600, size), rng.uniform(-1800, 1800, size))
    found: Ints = delay.astype(np.int64)
    return found


def _joined(inbound: _Trips, outbound: _Trips) -> _Trips:
    names = ("lane", "outbound", "mode", "departs", "left", "due", "arrived", "kilograms", "cubic_metres")
    arrays = {name: np.concatenate([getattr(inbound, name), getattr(outbound, name)]) for name in names}
    texts = {
        name: pa.concat_arrays([getattr(inbound, name).cast(pa.string()), getattr(outbound, name).cast(pa.string())])
        for name in ("number", "document")
    }
    return _Trips(**arrays, **texts)
