{#- Columns that intake adds to every row of a batch, under their names inside dbt. The last columns of a staging model. -#}
{% macro change_columns() -%}
    _op as change_type,
    _position as change_position,
    _sequence as change_sequence,
    _known_from as known_from,
    _known_basis as known_basis,
    _batch_id as source_batch_id,
    _file as source_file,
    _row as source_row,
    _origin as origin,
    _extract_kind as extract_kind,
    _unchanged as unchanged_columns,
    _refusal_reason as refusal_reason,
    _refusal_column as refused_column,
    _refused_value as refused_value,
{%- endmacro %}
