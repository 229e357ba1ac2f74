{#- Fails for every combination of `columns` that stands more than once. -#}
{% test unique_combination(model, columns) %}

select
    {{ columns | join(', ') }},
    count(*) as rows_found,
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1

{% endtest %}
