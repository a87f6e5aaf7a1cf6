# A file may be called as it likes: what is said of it is one line.
need ul-prep ul-cat
small data.ult
name=$'two\nlines\e[2J.ult'
cp data.ult "$name"
ul-cat --check "$name" >said
[[ $(wc -l <said) == 1 ]]
grep -Fq 'two\x0alines\x1b[2J.ult: ok, ' said
