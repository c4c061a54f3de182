3select payload:a.b::string, t.$1, listagg(x) within group (order by y) from wh.prod.b t, lateral flatten(input => t.c) // no
