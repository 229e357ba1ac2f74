{#- Fails where the table has fewer than `least` or more than `most` rows; either may be left out. -#}
{% test row_count_between(model, least=0, most=none) %}

select count(*) as rows_found
from {{ model }}
having count(*) < {{ least }}{% if most is not none %} or count(*) > {{ most }}{% endif %}

{% endtest %}
