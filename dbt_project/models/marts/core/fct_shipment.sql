{%- set keys = ['shipment_id', 'shipment_line'] -%}
{%- set attributes = [
    'direction',
    'location_id',
    'partner_id',
    'lane_id',
    'mode',
    'carrier_id',
    'service_level',
    'reference_type',
    'reference_id',
    'sku_id',
    'quantity',
    'unit',
    'planned_departure_at',
    'actual_departure_at',
    'planned_arrival_at',
    'actual_arrival_at',
    'weight_kg',
    'volume_m3',
    'distance_km',
    'planned_cost',
    'actual_cost',
    'currency',
    'status',
] -%}

{{ increment_versions(ref('stg_tms__shipments'), keys, attributes) }}
