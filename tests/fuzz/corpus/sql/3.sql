4select `a`.b, r"x\y", """t"""  from `wh`.`prod`.`a` as a, unnest(a.c) # c
 qualify row_number() over (partition by a.b) = 1