-- What a unit holds and what a currency is worth, as known at the cut-off, for every day that documents may have.
-- Variables: known_at, cutoff, zone, currency, rate_type, pivot_currency, max_rate_age_days. Tables: snapshot.
-- The rule, the same for both (docs/methods/conversion.md): a ratio has 14 decimals, a converted figure has 4; each is
-- rounded once, half away from zero. Nothing is converted by a ratio that nobody stated: no ratio, no row.
create temp macro ratio(numerator, denominator) as try_cast(
    cast(
        (cast(numerator * 10000000000 as hugeint) * 100000000000000 + cast(denominator * 5000000000 as hugeint))
        // cast(denominator * 10000000000 as hugeint) as decimal(38, 0)
    ) * cast(0.00000000000001 as decimal(14, 14)) as decimal(24, 14)
);

create temp macro converted(figure, ratio) as try(cast(round(figure * ratio, 4) as decimal(18, 4)));

-- Base units that one unit of an item holds, from valid_from until the day before valid_until. The row that began last
-- speaks for a day; where it has ended, the unit holds nothing known.
create temp table unit_factor as
select
    f.sku_id,
    f.unit,
    f.valid_from,
    least(
        coalesce(f.valid_to + 1, date '9999-12-31'),
        coalesce(lead(f.valid_from) over (partition by f.sku_id, f.unit order by f.valid_from), date '9999-12-31')
    ) as valid_until,
    ratio(f.numerator, f.denominator) as factor
from int_item_unit_version as f
inner join int_item_version as i
    on
        f.sku_id = i.sku_id
        and f.unit <> i.base_unit
        and coalesce(f.to_unit, i.base_unit) = i.base_unit
        and i.known_from <= getvariable('known_at')
        and (i.known_to is null or i.known_to > getvariable('known_at'))
where f.known_from <= getvariable('known_at') and (f.known_to is null or f.known_to > getvariable('known_at'));

-- Group currency for one unit of a currency, per day: the rate stated for the pair, else the inverse of the rate stated
-- the other way, else the product of both legs through the pivot currency, each leg found in the same way.
create temp table currency_rate as
with stated as (
    select
        from_currency,
        to_currency,
        valid_from,
        least(
            valid_from + cast(getvariable('max_rate_age_days') + 1 as integer),
            coalesce(
                lead(valid_from) over (partition by from_currency, to_currency order by valid_from), date '9999-12-31'
            )
        ) as valid_until,
        ratio(rate, from_units) as direct,
        ratio(from_units, rate) as inverse
    from fct_exchange_rate
    where
        rate_type = getvariable('rate_type')
        and known_from <= getvariable('known_at')
        and (known_to is null or known_to > getvariable('known_at'))
),

day as (
    select cast(unnest(generate_series(
        cast((select min(valid_from) from stated) as timestamp),
        cast(cast(timezone(getvariable('zone'), getvariable('cutoff')) as date) as timestamp),
        interval 1 day
    )) as date) as day
),

currency as (
    select from_currency as currency from stated
    union
    select to_currency as currency from stated
),

pair as (
    select
        currency as source,
        getvariable('currency') as target
    from currency
    union
    select
        currency,
        getvariable('pivot_currency')
    from currency
),

leg as (
    select
        p.source,
        p.target,
        d.day,
        coalesce(
            case when d.day < same.valid_until then same.direct end,
            case when d.day < other.valid_until then other.inverse end
        ) as ratio
    from pair as p
    cross join day as d
    asof left join stated as same
        on p.source = same.from_currency and p.target = same.to_currency and d.day >= same.valid_from
    asof left join stated as other
        on p.source = other.to_currency and p.target = other.from_currency and d.day >= other.valid_from
    where p.source <> p.target
)

select
    own.source as currency,
    own.day,
    coalesce(own.ratio, try(cast(first_leg.ratio * second_leg.ratio as decimal(24, 14)))) as rate
from leg as own
left join leg as first_leg
    on own.source = first_leg.source and own.day = first_leg.day and first_leg.target = getvariable('pivot_currency')
left join leg as second_leg
    on
        second_leg.source = getvariable('pivot_currency')
        and second_leg.target = getvariable('currency')
        and own.day = second_leg.day
where
    own.target = getvariable('currency')
    and (own.ratio is not null or (first_leg.ratio is not null and second_leg.ratio is not null));
