{%- set keys = ['order_id', 'order_line'] -%}
{%- set attributes = [
    'sku_id',
    'location_id',
    'customer_id',
    'channel',
    'ordered_at',
    'quantity',
    'unit',
    'net_amount',
    'currency',
    'line_type',
    'promotion_id',
] -%}

{{ increment_versions(ref('stg_erp__sales_order_lines'), keys, attributes) }}
