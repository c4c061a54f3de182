0select * from "wh"."prod"."a" as x join "wh"."prod"."ab" using (id) where x.y = 'it''s' -- done
