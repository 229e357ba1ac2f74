{%- set keys = ['sku_id', 'location_id'] -%}
{%- set attributes = [
    'abc_indicator',
    'safety_stock_units',
    'reorder_point_units',
    'max_stock_units',
    'min_lot_units',
    'max_lot_units',
    'fixed_lot_units',
    'rounding_units',
    'planned_delivery_days',
    'goods_receipt_days',
    'in_house_days',
    'safety_time_days',
    'review_days',
    'service_level',
    'changed_on',
    'changed_by',
] -%}

{{ state_versions(ref('stg_erp__planning_parameters'), keys, attributes) }}
