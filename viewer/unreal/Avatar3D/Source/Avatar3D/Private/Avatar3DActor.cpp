#include "Avatar3DActor.h"

#include "NiagaraComponent.h"

#include "Avatar3DComponent.h"

AAvatar3DActor::AAvatar3DActor()
{
	Niagara = CreateDefaultSubobject<UNiagaraComponent>(TEXT("Niagara"));
	RootComponent = Niagara;
	Head = CreateDefaultSubobject<UAvatar3DComponent>(TEXT("Head"));
}
