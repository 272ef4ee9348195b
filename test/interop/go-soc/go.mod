module go-soc

go 1.18
