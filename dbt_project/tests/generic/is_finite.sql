{#- Fails for every NaN or infinite number: a contract lets both pass. -#}
{% test is_finite(model, column_name) %}

select {{ column_name }}
from {{ model }}
where not isfinite({{ column_name }})

{% endtest %}
