{#- Fails for every row where `expression` is false or null; on a column, the expression follows its name. -#}
{% test expression_is_true(model, expression, column_name=none) %}

select *
from {{ model }}
where ({{ (column_name ~ ' ') if column_name }}{{ expression }}) is not true

{% endtest %}
