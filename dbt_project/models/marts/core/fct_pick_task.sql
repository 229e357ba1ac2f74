{%- set keys = ['location_id', 'task_id'] -%}
{%- set attributes = [
    'wave_id',
    'order_id',
    'order_line',
    'customer_id',
    'sku_id',
    'slot_id',
    'priority',
    'quantity',
    'picked_quantity',
    'unit',
    'created_at',
    'due_at',
    'started_at',
    'confirmed_at',
    'picker_id',
    'status',
] -%}

{{ increment_versions(ref('stg_wms__pick_tasks'), keys, attributes) }}
