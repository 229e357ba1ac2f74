{#-
External Parquet, in place of dbt-duckdb's own materialization, for two reasons (dbt-duckdb 1.11.1):
- an empty table stays empty: the stock one writes a row of nulls, which breaks `not null` and every reader;
- the file's place follows the pass: conformed tables in a folder of their own, marts flat.
The table is built inside the scratch file first, where the contract's types and constraints are enforced. DuckDB's
COPY makes no folders: whoever starts the pass has made them.
-#}
{% materialization external, adapter='duckdb', supported_languages=['sql'] %}

    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set built = make_intermediate_relation(this.incorporate(type='table'), suffix='__built') -%}
    {%- set location = parquet_location(model.name, model.tags) -%}

    {{ drop_relation_if_exists(load_cached_relation(built)) }}
    {{ run_hooks(pre_hooks) }}

    {% call statement('build') -%}
        {{ create_table_as(False, built, compiled_code) }}
    {%- endcall %}

    {{ write_to_file(built, location, 'format parquet, compression zstd') }}

    {% call statement('main') -%}
        create or replace view {{ target_relation }} as select * from read_parquet('{{ location }}')
    {%- endcall %}

    {{ drop_relation_if_exists(built) }}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target_relation]}) }}

{% endmaterialization %}


{#- Where a pass writes a table, relative to its scratch folder. -#}
{% macro parquet_location(name, tags) -%}
    {%- set root = adapter.external_root() -%}
    {{ return(root ~ '/' ~ name ~ '/' ~ name ~ '.parquet' if 'conform' in tags else root ~ '/' ~ name ~ '.parquet') }}
{%- endmacro %}


{#- Before a marts pass: each conformed table that a selected model reads becomes a view of the pinned snapshot. -#}
{% macro snapshot_views() -%}
    {%- if execute -%}
        {%- set wanted = [] -%}
        {%- for node in graph.nodes.values()
            if node.unique_id in selected_resources and node.resource_type == 'model' and 'marts' in node.tags -%}
            {%- for parent in node.depends_on.nodes
                if parent in graph.nodes and parent not in selected_resources and 'conform' in graph.nodes[parent].tags
                    and parent not in wanted -%}
                {%- do wanted.append(parent) -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- for parent in wanted -%}
            {%- set name = graph.nodes[parent].name -%}
            {%- call statement('snapshot_view_' ~ name) -%}
                create or replace view {{ target.schema }}.{{ name }} as
                select * from read_parquet('inputs/snapshot/{{ name }}/{{ name }}.parquet')
            {%- endcall -%}
        {%- endfor -%}
        {%- if wanted -%}
            {%- do adapter.commit() -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
