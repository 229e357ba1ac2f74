{%- set feeds = [
    ('erp', 'items', ['sku_id', 'currency']),
    ('erp', 'customers', []),
    ('erp', 'suppliers', []),
    ('erp', 'supplier_items', ['sku_id', 'currency']),
    ('wms', 'sites', ['location_id']),
    ('erp', 'sales_order_lines', ['sku_id', 'location_id', 'ordered_at', 'quantity', 'net_amount', 'currency']),
    ('erp', 'purchase_order_lines', ['sku_id', 'location_id', 'ordered_at', 'quantity']),
    ('erp', 'goods_receipts', ['sku_id', 'location_id', 'quantity']),
    ('erp', 'price_conditions', ['sku_id', 'currency']),
    ('wms', 'stock_snapshots', ['location_id', 'sku_id']),
    ('crm', 'promotions', ['sku_id', 'location_id']),
    ('erp', 'exchange_rates', []),
    ('erp', 'item_units', ['sku_id']),
    ('crm', 'item_hierarchy', ['sku_id']),
    ('erp', 'item_sites', ['sku_id', 'location_id']),
    ('erp', 'bill_of_materials', ['sku_id', 'location_id', 'quantity']),
    ('erp', 'inventory_budget', ['currency']),
    ('erp', 'planning_parameters', ['sku_id', 'location_id']),
    ('wms', 'stock_movements', ['sku_id', 'location_id', 'quantity']),
    ('wms', 'pick_tasks', ['sku_id', 'location_id', 'quantity']),
    ('wms', 'slots', ['sku_id', 'location_id']),
    ('wms', 'item_handling', ['sku_id']),
    ('tms', 'lanes', []),
    ('tms', 'rates', ['currency']),
    ('tms', 'shipments', ['sku_id', 'location_id', 'quantity', 'currency']),
    ('crm', 'accounts', []),
    ('crm', 'contracts', ['currency']),
    ('crm', 'sla_terms', ['currency']),
    ('crm', 'incentives', ['currency']),
    ('planning', 'forecast_overrides', ['sku_id', 'location_id']),
    ('planning', 'consensus_decisions', []),
    ('planning', 'resource_plan', ['location_id', 'currency']),
] -%}

with refused as (

    {% for system, feed, present in feeds %}
    {{ refused_rows(system, feed, ref('stg_' ~ system ~ '__' ~ feed), present) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

)

select
    system,
    feed,
    reason,
    refused_column,
    refused_value,
    sku_id,
    location_id,
    ordered_at,
    quantity,
    net_amount,
    currency,
    known_from,
    source_batch_id,
    source_file,
    source_row,
    origin,
from refused
order by source_batch_id, source_file, source_row
