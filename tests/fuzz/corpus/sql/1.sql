1with a as (select * from "wh"."prod"."a"), b as (
  select "wh"."prod"."ab".id, 1.5e3::int from "wh"."prod"."ab" /* x */
) select * from a, b where e'\'' = $$a$$;