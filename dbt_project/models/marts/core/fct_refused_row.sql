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
