{%- set keys = ['sku_id', 'location_id'] -%}
{%- set attributes = [
    'mrp_type',
    'planner_id',
    'buyer_id',
    'procurement_type',
    'supplier_id',
    'supplying_location_id',
    'lot_size_rule',
    'planning_fence_days',
    'fulfilment_strategy',
    'availability_group',
    'is_critical',
    'status',
    'status_from',
    'successor_sku_id',
    'discontinued_on',
] -%}

{{ state_versions(ref('stg_erp__item_sites'), keys, attributes) }}
