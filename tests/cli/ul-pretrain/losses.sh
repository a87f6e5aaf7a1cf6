# Sampled losses, cosine logits and the dual encoder on the whole road: the same bytes for any number of threads,
# and scores that are products of ul-embed's rows of users and of items.
prep <"$TESTDATA/events.csv" >data.ult
small="--dim 16 --layers 1 --heads 2 --epochs 3 --batch 40 --lr 0.01 -q"
k=0
for options in "--arch dual --negatives 64" "--loss sampled --sampling log-uniform --temperature 0.1" "--loss gbce --free-items" \
	"--arch bert4rec --loss sampled --negatives 64"; do
	k=$((k + 1))
	ul-pretrain $small $options -T1 -o $k.ult data.ult
	ul-pretrain $small $options -T3 -o other.ult data.ult
	numbers $k.ult >one
	numbers other.ult | cmp - one
	ul-gen -q -m $k.ult --rank 5 --split all data.ult >answers.jsonl
	ul-embed -q -m $k.ult --pool last --format csv data.ult >users.csv
	ul-embed -q -m $k.ult --items --format csv -o items.csv
	# Users, and items, whose title comes last; a score of the first answers is their product.
	head -n 30 answers.jsonl | tr -d '" []{}' | sed 's/titles:.*scores/scores/' >flat
	/usr/bin/awk -F, -v answers=flat 'FNR == 1 { next }
		FILENAME == "users.csv" { user[$1] = $0; next }
		{ split($0, all, ","); item = all[1]; for (i = 1; i <= 16; i++) of[item, i] = all[1 + i] }
		END { while ((getline line <answers) > 0) {
				m = split(line, part, ","); items = 0; scores = 0
				for (i = 1; i <= m; i++) {
					if (part[i] ~ /^user:/) u = substr(part[i], 6)
					if (part[i] ~ /^items:/) { items = i; part[i] = substr(part[i], 7) }
					if (part[i] ~ /^scores:/) { scores = i; part[i] = substr(part[i], 8) }
				}
				split(user[u], row, ",")
				for (j = 0; j < 5; j++) {
					z = 0
					for (i = 1; i <= 16; i++) z += row[1 + i] * of[part[items + j], i]
					d = z - part[scores + j]; checked++
					if (d * d > 1e-6) { print line; exit 1 }
				}
			} exit checked != 150 }' users.csv items.csv
done
ul-gen -q -m 1.ult --rank 10 data.ult | ul-eval -q --k 10 --require "hr@10>=0.05"

words='loss sampled' usage ul-pretrain --negatives 5 -o out data.ult
words='loss gbce' usage ul-pretrain --loss sampled --calibration 1 -o out data.ult
words='loss full' usage ul-pretrain --loss gbce --label-smoothing 0.1 -o out data.ult
words='arch ar' usage ul-pretrain --arch dual --feature-weight 1 -o out data.ult
words='block transformer' usage ul-pretrain --block hstu --ffn gelu -o out data.ult
words='0.001' usage ul-pretrain --temperature 1e-9 -o out data.ult
