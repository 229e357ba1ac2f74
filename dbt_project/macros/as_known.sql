{#- The rule of known time: true for the version of a row that was known at `cutoff`. -#}
{% macro as_known(version, cutoff) -%}
    {{ version }}.known_from <= {{ cutoff }} and ({{ version }}.known_to is null or {{ version }}.known_to > {{ cutoff }})
{%- endmacro %}


{#- One row: the latest cut-off of the release, the cycle it serves and the scheme of that cycle. -#}
{% macro release_stamp() -%}
    select
        max(cutoff) as cutoff,
        max(valid_for_cycle) as valid_for_cycle,
        arg_max(scheme_version, (cycle, scheme_version)) as scheme_version,
    from {{ ref('stg_lake__release_part') }}
{%- endmacro %}
