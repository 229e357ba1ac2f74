with release_stamp as (

    {{ release_stamp() }}

),

suppliers as (

    select * from {{ ref('int_supplier_version') }}

)

select
    suppliers.supplier_id,
    '*' as region,
    suppliers.supplier_name,
    suppliers.country,
    suppliers.known_from,
    suppliers.known_basis,
    suppliers.source_batch_id,
    suppliers.origin,
    release_stamp.valid_for_cycle,
    release_stamp.scheme_version,
from suppliers
inner join release_stamp on {{ as_known('suppliers', 'release_stamp.cutoff') }}
order by suppliers.supplier_id
