{#-
Versions of keys out of a log of changes: what was known when. The only place that says so; every conformed table
with known time is made here.

`changes` is SQL that yields keys, attributes, change_type ('u' or 'd') and the change columns. The rule:
1. Changes of a key are ordered by (change_position, change_sequence); batch, file and row only break ties.
   The order in which batches arrived has no part in it, so a late batch of a lower position falls into its place.
2. known_from never goes back along that order (cumulative maximum).
3. Of several changes inside one instant the last counts.
4. A change that repeats the content before it makes no version; neither does a delete of what is not there.
5. A version ends where the next one, or a delete, begins. Deletes are no versions.
-#}
{% macro versions(changes, keys, attributes) -%}
{%- set key = keys | join(', ') -%}
{%- set columns = (keys + attributes) | join(', ') -%}
with changes as (

    {{ changes }}

),

monotone as (

    select
        * exclude (known_from),
        max(known_from) over in_order as known_from,
    from changes
    window
        in_order as (
            partition by {{ key }}
            order by change_position, change_sequence, source_batch_id, source_file, source_row
            rows between unbounded preceding and current row
        )

),

last_of_instant as (

    select
        *,
        -- null stands for "not there", so that a first delete equals what was before it
        case
            when change_type = 'u'
                then struct_pack({% for name in attributes %}{{ name }} := {{ name }}{{ ', ' if not loop.last }}{% endfor %})
        end as content,
    from monotone
    qualify
        lead(known_from) over (
            partition by {{ key }}
            order by change_position, change_sequence, source_batch_id, source_file, source_row
        ) is distinct from known_from

),

changed as (

    select *
    from last_of_instant
    qualify lag(content) over (partition by {{ key }} order by known_from) is distinct from content

),

closed as (

    select
        * exclude (content),
        lead(known_from) over (partition by {{ key }} order by known_from) as known_to,
    from changed

)

select
    {{ columns }},
    known_from,
    known_to,
    known_basis,
    source_batch_id,
    source_file,
    source_row,
    origin,
from closed
where change_type = 'u'
order by {{ key }}, known_from
{%- endmacro %}


{#- Good rows of a staging model: the changes of a feed that brings what changed. -#}
{% macro good_rows(relation, keys, attributes) -%}
    select
        {{ (keys + attributes) | join(', ') }},
        change_type,
        change_position,
        change_sequence,
        known_from,
        known_basis,
        source_batch_id,
        source_file,
        source_row,
        origin,
    from {{ relation }}
    where refusal_reason is null
{%- endmacro %}


{#- Versions of a feed that brings what changed: upsert by key, delete by operation. -#}
{% macro increment_versions(relation, keys, attributes) -%}
{{ versions(good_rows(relation, keys, attributes), keys, attributes) }}
{%- endmacro %}


{#-
Versions of a feed whose full extract is the whole table: a key that is absent from the next extract ends there.
- Extracts are the distinct positions of the feed; batches of one position are one extract.
- A refused row counts as present: its last good version stays, nothing says that the key is gone.
- An extract without any row is not seen here. It would end every key at once; intake has to refuse or admit that.
- Rows with the change time of the source (CDC) are changes like any other and say nothing about absent keys.
-#}
{% macro state_versions(relation, keys, attributes) -%}
{%- set key = keys | join(', ') -%}
{%- set changes -%}
    {{ good_rows(relation, keys, attributes) }}

    union all by name

    (
        with extracts as (
            select
                change_position,
                max(known_from) as known_from,
                max(known_basis) as known_basis,
                max(source_batch_id) as source_batch_id,
                max(origin) as origin,
                row_number() over (order by change_position) as extract_number,
            from {{ relation }}
            where known_basis <> 'source'
            group by change_position
        ),

        present as (
            select distinct
                {{ key }},
                extracts.extract_number,
            from {{ relation }} as rows_of_feed
            inner join extracts using (change_position)
            where rows_of_feed.known_basis <> 'source'{% for name in keys %} and {{ name }} is not null{% endfor %}
        ),

        absent as (
            select
                {{ key }},
                extract_number + 1 as extract_number,
            from present
            qualify
                lead(extract_number) over (partition by {{ key }} order by extract_number)
                is distinct from extract_number + 1
        )

        select
            {{ key }},
            'd' as change_type,
            extracts.change_position,
            0 as change_sequence,
            extracts.known_from,
            extracts.known_basis,
            extracts.source_batch_id,
            '' as source_file,
            0 as source_row,
            extracts.origin,
        from absent
        inner join extracts using (extract_number)
    )
{%- endset -%}
{{ versions(changes, keys, attributes) }}
{%- endmacro %}
