{%- set keys = ['receipt_id', 'receipt_line'] -%}
{%- set attributes = [
    'po_id',
    'po_line',
    'sku_id',
    'location_id',
    'received_at',
    'quantity',
    'unit',
] -%}

{{ increment_versions(ref('stg_erp__goods_receipts'), keys, attributes) }}
