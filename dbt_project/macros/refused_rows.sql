{#- Refused rows of one feed with the columns that reconcile; `present` are those of them that the feed has. -#}
{% macro refused_rows(system, feed, relation, present) -%}
    {%- set types = {
        'sku_id': 'varchar',
        'location_id': 'varchar',
        'ordered_at': 'timestamp with time zone',
        'quantity': 'decimal(18, 4)',
        'net_amount': 'decimal(18, 4)',
        'currency': 'varchar',
    } -%}
    select
        '{{ system }}' as system,
        '{{ feed }}' as feed,
        refusal_reason as reason,
        refused_column,
        refused_value,
        {%- for name, type in types.items() %}
        {{ name if name in present else 'cast(null as ' ~ type ~ ') as ' ~ name }},
        {%- endfor %}
        known_from,
        source_batch_id,
        source_file,
        source_row,
        origin,
    from {{ relation }}
    where refusal_reason is not null
{%- endmacro %}
