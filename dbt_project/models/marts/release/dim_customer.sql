with release_stamp as (

    {{ release_stamp() }}

),

customers as (

    select * from {{ ref('int_customer_version') }}

)

select
    customers.customer_id,
    customers.region,
    customers.customer_name,
    customers.channel,
    customers.priority,
    customers.known_from,
    customers.known_basis,
    customers.source_batch_id,
    customers.origin,
    release_stamp.valid_for_cycle,
    release_stamp.scheme_version,
from customers
inner join release_stamp on {{ as_known('customers', 'release_stamp.cutoff') }}
order by customers.customer_id
