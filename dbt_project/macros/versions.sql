{#-
Versions of keys out of a log of changes: what was known when. The only place that says so; every conformed table
with known time is made here.

`changes` is SQL that yields keys, attributes, change_type ('u', 'd', or 'x' for a change that was refused),
unchanged_columns and the change columns. The rule:
1. Changes of a key are ordered by (change_position, change_sequence); batch, file and row only break ties.
   The order in which batches arrived has no part in it, so a late batch of a lower position falls into its place.
2. A change that leaves columns out (a connector's placeholder) takes them from the change before it. Where that one
   was refused, a delete or not there, nobody knows them: such a change makes no version, the last good one stays.
3. known_from never goes back along that order (cumulative maximum).
4. Of several changes inside one instant the last counts.
5. A change that repeats the content before it makes no version; neither does a delete of what is not there.
6. A version ends where the next one, or a delete, begins. Deletes are no versions.
Most keys of a log have one whole change and nothing to order: theirs skip the windows, which cost ten times the rest.
-#}
{% macro versions(changes, keys, attributes) -%}
{%- set key = keys | join(', ') -%}
{%- set columns = (keys + attributes) | join(', ') -%}
with changes as not materialized (

    {{ changes }}

),

changed_key as (

    select
        {{ key }},
        bool_or(unchanged_columns is not null) as is_patchy,
    from changes
    group by {{ key }}
    having count(*) > 1 or is_patchy

),

patchy_key as (

    select {{ key }} from changed_key where is_patchy

),

filled as (

    select
        changes.* exclude ({{ attributes | join(', ') }}),
        {%- for name in attributes %}
        last_value(
            case
                when list_contains(unchanged_columns, '{{ name }}') then null
                else struct_pack(value := {{ name }}, is_there := change_type = 'u')
            end ignore nulls
        ) over in_order as {{ name }},
        {%- endfor %}
    from changes
    semi join patchy_key using ({{ key }})
    window
        in_order as (
            partition by {{ key }}
            order by change_position, change_sequence, source_batch_id, source_file, source_row
            rows between unbounded preceding and current row
        )

),

ordered_key as (

    select {{ key }} from changed_key where not is_patchy

),

whole as (

    select * exclude (unchanged_columns)
    from changes
    semi join ordered_key using ({{ key }})
    where change_type <> 'x'

    union all by name

    select
        * exclude (unchanged_columns, {{ attributes | join(', ') }}),
        {%- for name in attributes %}
        {{ name }}.value as {{ name }},
        {%- endfor %}
    from filled
    where
        change_type = 'd'
        or (
            change_type = 'u'
            {%- for name in attributes %}
            and coalesce({{ name }}.is_there, false)
            {%- endfor %}
        )

),

monotone as (

    select
        * exclude (known_from),
        max(known_from) over in_order as known_from,
    from whole
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

    union all by name

    select * exclude (unchanged_columns)
    from changes
    anti join changed_key using ({{ key }})

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


{#-
Changes of a feed: its rows, and a delete of every key that is absent from a whole table as of a position of its log
(a snapshot). Changes of a higher position come after it, so what lives on is live. A refused row counts as present.
-#}
{% macro logged_changes(relation, keys, attributes) -%}
{%- set key = keys | join(', ') -%}
    select
        {{ (keys + attributes) | join(', ') }},
        case when refusal_reason is null then change_type else 'x' end as change_type,
        change_position,
        change_sequence,
        known_from,
        known_basis,
        source_batch_id,
        source_file,
        source_row,
        origin,
        unchanged_columns,
    from {{ relation }}
    where refusal_reason is null or ({{ keys | join(' is not null and ') }} is not null)

    union all by name

    (
        with snapshots as (
            select
                change_position,
                min(change_sequence) as change_sequence,
                max(known_from) as known_from,
                max(known_basis) as known_basis,
                max(source_batch_id) as source_batch_id,
                max(origin) as origin,
            from {{ relation }}
            where extract_kind = 'snapshot'
            group by change_position
        ),

        present as (
            select distinct
                {{ key }},
                change_position,
            from {{ relation }}
            where extract_kind = 'snapshot'{% for name in keys %} and {{ name }} is not null{% endfor %}
        ),

        absent as (
            select distinct
                {% for name in keys %}earlier.{{ name }}, {% endfor %}
                snapshots.*,
            from {{ relation }} as earlier
            inner join snapshots on earlier.change_position <= snapshots.change_position
            where {{ keys | join(' is not null and ') }} is not null
        )

        select
            *,
            'd' as change_type,
            '' as source_file,
            0 as source_row,
        from absent
        anti join present using ({{ key }}, change_position)
    )
{%- endmacro %}


{#- Versions of a feed that brings what changed: upsert by key, delete by operation. -#}
{% macro increment_versions(relation, keys, attributes) -%}
{{ versions(logged_changes(relation, keys, attributes), keys, attributes) }}
{%- endmacro %}


{#-
Versions of a feed whose full extract is the whole table: a key that is absent from the next extract ends there.
- Extracts are the distinct positions of the feed; batches of one position are one extract.
- A refused row counts as present: its last good version stays, nothing says that the key is gone.
- An extract without any row is not seen here. It would end every key at once; intake has to refuse or admit that.
- Changes (cdc) and whole tables as of a position of their log are `logged_changes`.
-#}
{% macro state_versions(relation, keys, attributes) -%}
{%- set key = keys | join(', ') -%}
{%- set changes -%}
    {{ logged_changes(relation, keys, attributes) }}

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
            where coalesce(extract_kind, 'full') = 'full'
            group by change_position
        ),

        present as (
            select distinct
                {{ key }},
                extracts.extract_number,
            from {{ relation }} as rows_of_feed
            inner join extracts using (change_position)
            where coalesce(rows_of_feed.extract_kind, 'full') = 'full'{% for name in keys %} and {{ name }} is not null{% endfor %}
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
