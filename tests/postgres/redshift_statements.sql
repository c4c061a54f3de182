/* premerge tag */ begin read only;
select 1 from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is not null
;
commit;

/* premerge tag */ begin read only;
select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is null;
select c.relkind from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = 'pr_1' and lower(c.relname) = 'made'
;
commit;

/* premerge tag */ begin read only;
select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is null;
select count(*) from "ferry"."pr_1"."made"
;
commit;

/* premerge tag */ begin read only;
select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is null;
select count(*) from "prod"."orders" -- all
;
commit;

/* premerge tag */ begin read only;
select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is null;
select distinct "identifier" from "ferry"."pr_1"."_premerge_objects"
;
commit;

/* premerge tag */ begin read only;
select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is null;
select distinct "session_tag" from "ferry"."pr_1"."_premerge_runs" where "superseded_by" is not null and "ended_at" is null and "session_tag" is not null
;
commit;

/* premerge tag */ begin read only;
select current_user, version(), has_database_privilege(current_database(), 'CREATE')
;
commit;

/* premerge tag */ begin read only;
select n.nspname, has_schema_privilege(n.nspname, 'USAGE'), has_schema_privilege(n.nspname, 'CREATE'), sum(case when c.relname is null or case when has_schema_privilege(n.nspname, 'USAGE') then has_table_privilege(quote_ident(n.nspname) || '.' || quote_ident(c.relname), 'SELECT') else false end then 0 else 1 end), sum(case when c.relname is not null and (pg_get_userbyid(c.relowner) = current_user or case when has_schema_privilege(n.nspname, 'USAGE') then has_table_privilege(quote_ident(n.nspname) || '.' || quote_ident(c.relname), 'INSERT') else false end or case when has_schema_privilege(n.nspname, 'USAGE') then has_table_privilege(quote_ident(n.nspname) || '.' || quote_ident(c.relname), 'UPDATE') else false end or case when has_schema_privilege(n.nspname, 'USAGE') then has_table_privilege(quote_ident(n.nspname) || '.' || quote_ident(c.relname), 'DELETE') else false end) then 1 else 0 end) from pg_catalog.pg_namespace n left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'v') where n.nspname in ('prod') group by n.nspname order by 1
;
commit;

/* premerge tag */ begin;
create schema "pr_1";
create table if not exists "ferry"."pr_1"."_premerge_runs" ("repository" varchar(1024), "project" varchar(1024), "pull_request" varchar(1024), "commit_sha" varchar(1024), "run_id" varchar(1024), "who" varchar(1024), "session_tag" varchar(1024), "started_at" varchar(1024), "heartbeat_at" varchar(1024), "expires_at" varchar(1024), "ended_at" varchar(1024), "superseded_by" varchar(1024));
alter table "ferry"."pr_1"."_premerge_runs" add constraint "premerge" unique ("run_id");
comment on constraint "premerge" on "ferry"."pr_1"."_premerge_runs" is 'temporary schema, made by premerge and dropped by `premerge cleanup`';
insert into "ferry"."pr_1"."_premerge_runs" values ('harbour/ferry', 'ferry', '1', 'c0ffee', 'r1', 'tests', 'premerge tag', 'TIME', 'TIME', 'TIME', null, null);
commit;

/* premerge tag */ begin;
create temporary table premerge_columns as select * from (
select 1::bigint as a, 'x'::varchar(3) as b, 1::smallint as c
) as q limit 0;
select a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute a where a.attrelid = (select max(c.oid) from pg_catalog.pg_class c where c.relname = 'premerge_columns' and pg_catalog.pg_table_is_visible(c.oid)) and a.attnum > 0 order by a.attnum;
rollback;

/* premerge tag */ begin;
lock table "pr_1"."_premerge_runs";
update "ferry"."pr_1"."_premerge_runs" set "superseded_by" = 'r1' where "superseded_by" is null and ("ended_at" > 'TIME' or "started_at" < 'TIME' or ("started_at" = 'TIME' and "run_id" < 'r1'));
update "ferry"."pr_1"."_premerge_runs" set "superseded_by" = (select max("run_id") from "ferry"."pr_1"."_premerge_runs" where ("ended_at" is null or "ended_at" <= 'TIME') and ("started_at" > 'TIME' or ("started_at" = 'TIME' and "run_id" > 'r1'))) where "run_id" = 'r1' and "superseded_by" is null;
commit;

/* premerge tag */ begin;
select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is null;
create table "ferry"."pr_1"."seed" ("id" integer, "price" float8, "day" date, "at" timestamp without time zone, "open" boolean, "note" varchar(8));

/* premerge tag */ begin;
select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is null;
create table "ferry"."pr_1"."typed" (
  id integer not null,
  primary key (id)
)
diststyle even
compound sortkey(id);
insert into "ferry"."pr_1"."typed" (id) (
select id from (
select * from "prod"."orders"
) as model_subq
);
commit;

/* premerge tag */ begin;
select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is null;
create table if not exists "ferry"."pr_1"."_premerge_objects" ("run_id" varchar(1024), "identifier" varchar(1024));
insert into "ferry"."pr_1"."_premerge_objects" values ('r1', 'proxy'), ('r1', 'late'), ('r1', 'Shown'), ('r1', 'made'), ('r1', 'typed'), ('r1', 'seed');
commit;

/* premerge tag */ begin;
select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is null;
create view "ferry"."pr_1"."Shown" as (
select * from "prod"."orders"
);
commit;

/* premerge tag */ begin;
select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is null;
create view "ferry"."pr_1"."late" as (
select * from "prod"."orders"
) with no schema binding;
commit;

/* premerge tag */ begin;
select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is null;
create view "ferry"."pr_1"."proxy" as (
select * from "prod"."orders"
) with no schema binding;
commit;
;

/* premerge tag */ begin;
select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is null;
delete from "ferry"."pr_1"."_premerge_objects";
commit;

/* premerge tag */ begin;
select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is null;
drop table if exists "ferry"."pr_1"."_premerge_objects", "ferry"."pr_1"."_premerge_runs";
drop schema if exists "pr_1";
commit;

/* premerge tag */ begin;
select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is null;
drop view if exists "ferry"."pr_1"."Shown", "ferry"."pr_1"."late", "ferry"."pr_1"."proxy";
drop table if exists "ferry"."pr_1"."seed", "ferry"."pr_1"."typed", "ferry"."pr_1"."made";
commit;

/* premerge tag */ begin;
select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from "ferry"."pr_1"."_premerge_runs" where "run_id" = 'r1' and "superseded_by" is null;
set extra_float_digits to 0;
create table "ferry"."pr_1"."made"
backup no
diststyle key distkey (id)
interleaved sortkey(id) as (
select * from "prod"."orders"
);
commit;

/* premerge tag */ commit;

/* premerge tag */ insert into "ferry"."pr_1"."seed" ("id", "price", "day", "at", "open", "note") values (1, 1.5, '2020-01-01', '2020-01-01T10:00:00', true, 'it''s \\ x'), (null, null, null, null, null, null);

/* premerge tag */ select lower(c.relname), c.relkind::text, c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = 'pr_1' and lower(c.relname) in ('proxy', 'seed', 'late', 'made', 'typed', 'shown') order by 3 desc;

/* premerge tag */ select nspname from pg_catalog.pg_namespace where nspname = 'pr_1';

rollback;

set statement_timeout to 20000;set search_path to public;set query_group to 'gate';select pg_backend_pid() as pid, '' as started;set role test;

