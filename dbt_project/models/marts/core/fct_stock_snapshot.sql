{%- set keys = ['location_id', 'sku_id', 'snapshot_date'] -%}
{%- set attributes = [
    'on_hand_units',
    'stockout_days',
    'days_covered',
    'unit',
] -%}

{{ increment_versions(ref('stg_wms__stock_snapshots'), keys, attributes) }}
