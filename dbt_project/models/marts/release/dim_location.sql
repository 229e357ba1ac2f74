with release_stamp as (

    {{ release_stamp() }}

),

locations as (

    select * from {{ ref('int_location_version') }}

)

select
    locations.location_id,
    locations.region,
    locations.location_name,
    locations.location_type,
    locations.known_from,
    locations.known_basis,
    locations.source_batch_id,
    locations.origin,
    release_stamp.valid_for_cycle,
    release_stamp.scheme_version,
from locations
inner join release_stamp on {{ as_known('locations', 'release_stamp.cutoff') }}
order by locations.location_id
