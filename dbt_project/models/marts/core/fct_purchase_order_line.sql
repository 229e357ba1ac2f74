{%- set keys = ['po_id', 'po_line'] -%}
{%- set attributes = [
    'supplier_id',
    'sku_id',
    'location_id',
    'ordered_at',
    'quantity',
    'unit',
    'promised_date',
    'status',
] -%}

{{ increment_versions(ref('stg_erp__purchase_order_lines'), keys, attributes) }}
