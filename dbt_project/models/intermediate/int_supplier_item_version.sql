{%- set keys = ['supplier_id', 'sku_id'] -%}
{%- set attributes = [
    'min_order_quantity',
    'order_multiple',
    'planned_lead_time_days',
    'unit_price',
    'currency',
    'order_unit',
] -%}

{{ state_versions(ref('stg_erp__supplier_items'), keys, attributes) }}
