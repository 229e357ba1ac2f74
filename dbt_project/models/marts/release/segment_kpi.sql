with parts as (

    select
        region,
        valid_for_cycle,
        scheme_version,
        cutoff,
        closed_month,
        cast(day(last_day(closed_month)) as integer) as month_days,
    from {{ ref('stg_lake__release_part') }}

),

assignments as (

    select
        assignment.sku_id,
        assignment.location_id,
        assignment.region,
        assignment.segment,
    from {{ ref('stg_lake__segment_assignment') }} as assignment
    inner join parts
        on assignment.region = parts.region

),

-- days without an end are infinite: compared with "or is null", every stock would be held against every value
item_values as (

    select
        region,
        sku_id,
        unit,
        factor,
        unit_cost,
        coalesce(valid_from, cast('-infinity' as date)) as valid_from,
        coalesce(valid_until, cast('infinity' as date)) as valid_until,
    from {{ ref('stg_lake__item_value') }}

),

costs as (

    select
        region,
        sku_id,
        unit_cost,
    from item_values
    where unit is null

),

locations as (

    select
        parts.region,
        place.location_id,
    from {{ ref('int_location_version') }} as place
    inner join parts
        on place.region = parts.region and {{ as_known('place', 'parts.cutoff') }}

),

-- demand of the closed month, from the bucket that fits a month best: each bucket holds all demand once
month_demand as (

    select
        demand.region,
        demand.sku_id,
        demand.location_id,
        sum(demand.demand_units) as demand_units,
        sum(demand.revenue) as revenue,
    from {{ ref('stg_lake__demand_history') }} as demand
    inner join parts
        on demand.region = parts.region
    where
        date_trunc('month', demand.period_start) = parts.closed_month
        and not demand.is_partial
    group by demand.region, demand.sku_id, demand.location_id, demand.bucket
    qualify
        dense_rank() over (
            partition by demand.region
            order by case demand.bucket when 'month' then 1 when 'day' then 2 else 3 end
        ) = 1

),

month_stock as (

    select
        locations.region,
        stock.sku_id,
        stock.location_id,
        -- null where the last count has a unit without a factor on its day
        arg_max_null(
            try(cast(round(stock.on_hand_units * item_values.factor, 4) as decimal(18, 4))), stock.snapshot_date
        ) as on_hand_units,
        arg_max(stock.on_hand_units, stock.snapshot_date) > 0 as has_stock,
        sum(stock.stockout_days) as stockout_days,
        sum(stock.days_covered) as days_covered,
    from {{ ref('fct_stock_snapshot') }} as stock
    inner join locations
        on stock.location_id = locations.location_id
    inner join parts
        on
            locations.region = parts.region
            and {{ as_known('stock', 'parts.cutoff') }}
            and date_trunc('month', stock.snapshot_date) = parts.closed_month
    left join item_values
        on
            locations.region = item_values.region
            and stock.sku_id = item_values.sku_id
            and item_values.unit is not distinct from stock.unit
            and stock.snapshot_date >= item_values.valid_from
            and stock.snapshot_date < item_values.valid_until
    group by locations.region, stock.sku_id, stock.location_id

),

-- demand and stock of every item and location, at the cost known at the cut-off
measures as (

    select
        coalesce(month_demand.region, month_stock.region) as region,
        coalesce(month_demand.sku_id, month_stock.sku_id) as sku_id,
        coalesce(month_demand.location_id, month_stock.location_id) as location_id,
        month_demand.revenue,
        month_demand.demand_units,
        month_stock.on_hand_units,
        month_stock.has_stock,
        month_stock.stockout_days,
        month_stock.days_covered,
    from month_demand
    full outer join month_stock
        on
            month_demand.region = month_stock.region
            and month_demand.sku_id = month_stock.sku_id
            and month_demand.location_id = month_stock.location_id

),

-- the class of the location where there is one, else the class of the region
classified as (

    select
        coalesce(of_location.segment, of_region.segment) as segment,
        measures.region,
        measures.revenue,
        cast(coalesce(measures.demand_units, 0) * costs.unit_cost as decimal(38, 4)) as cost_of_demand,
        cast(measures.on_hand_units * costs.unit_cost as decimal(38, 4)) as stock_value,
        coalesce(measures.has_stock, false) and (measures.on_hand_units * costs.unit_cost) is null as is_unvalued,
        measures.stockout_days,
        measures.days_covered,
    from measures
    left join assignments as of_location
        on
            measures.region = of_location.region
            and measures.sku_id = of_location.sku_id
            and measures.location_id = of_location.location_id
    left join assignments as of_region
        on
            measures.region = of_region.region
            and measures.sku_id = of_region.sku_id
            and of_region.location_id = '*'
    left join costs
        on measures.region = costs.region and measures.sku_id = costs.sku_id

),

segment_items as (

    select
        region,
        segment,
        count(distinct sku_id) as items,
    from assignments
    group by region, segment

),

segment_measures as (

    select
        region,
        segment,
        sum(revenue) as revenue,
        sum(cost_of_demand) as cost_of_demand,
        sum(stock_value) as stock_value,
        count(*) filter (where is_unvalued) as unvalued_stocks,
        sum(stockout_days) as stockout_days,
        sum(days_covered) as days_covered,
    from classified
    group by region, segment

),

segments as (

    select
        segment_items.segment,
        parts.region,
        parts.closed_month,
        parts.valid_for_cycle,
        parts.scheme_version,
        parts.month_days,
        cast(segment_items.items as double) as items,
        cast(coalesce(segment_measures.revenue, 0) as double) as revenue,
        cast(segment_measures.cost_of_demand as double) as cost_of_demand,
        cast(segment_measures.stock_value as double) as stock_value,
        cast(coalesce(segment_measures.unvalued_stocks, 0) as double) as unvalued_stocks,
        cast(segment_measures.stockout_days as double) as stockout_days,
        cast(segment_measures.days_covered as double) as days_covered,
    from segment_items
    inner join parts
        on segment_items.region = parts.region
    left join segment_measures
        on segment_items.region = segment_measures.region and segment_items.segment = segment_measures.segment

),

-- value and unit of each key figure; turns are annualised from one month
figures as (

    select
        segment,
        region,
        closed_month as period_start,
        valid_for_cycle,
        scheme_version,
        unnest(
            [
                { 'kpi': 'items', 'unit': 'items', 'actual': items },
                { 'kpi': 'revenue', 'unit': 'group currency', 'actual': revenue },
                { 'kpi': 'stock_value', 'unit': 'group currency', 'actual': stock_value },
                { 'kpi': 'unvalued_stocks', 'unit': 'item-locations', 'actual': unvalued_stocks },
                { 'kpi': 'cover_days', 'unit': 'days', 'actual': month_days * stock_value / nullif(cost_of_demand, 0) },
                { 'kpi': 'turns', 'unit': 'per year', 'actual': 12 * cost_of_demand / nullif(stock_value, 0) },
                { 'kpi': 'stockout_share', 'unit': 'share', 'actual': stockout_days / nullif(days_covered, 0) },
            ]
        ) as figure,
    from segments

)

select
    segment,
    region,
    period_start,
    figure.kpi,
    figure.unit,
    figure.actual,
    cast(null as double) as target,
    cast(null as double) as tolerance,
    'no_target' as verdict,
    valid_for_cycle,
    scheme_version,
from figures
order by segment, region, period_start, figure.kpi
