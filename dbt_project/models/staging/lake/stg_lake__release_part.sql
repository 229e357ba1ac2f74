with source as (

    select * from {{ source('lake', 'release_part') }}

),

renamed as (

    select
        -- ids
        region,
        -- attributes
        cycle,
        valid_for_cycle,
        scheme_version,
        -- dates
        cast(cutoff as timestamp with time zone) as cutoff,
        cast(cast(cycle || '-01' as date) - interval 1 month as date) as closed_month,
    from source

)

select * from renamed
